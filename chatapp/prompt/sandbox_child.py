"""The child process in which chat templates run, and nothing else of ours. Run by sandbox.py; imports no other file of chatapp.

Objects of JSON, one a line: where Python finds its packages and the memory a template may take come first, then requests. When stdin
ends, the parent is gone and so is this process; a template that does not end in time takes the process with it.
"""

import faulthandler
import json
import os
import re
import signal
import sys
from itertools import groupby
from typing import Any

START_SECONDS = 60.0

FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, SyntaxError, TypeError, ValueError)
"""What a template may raise besides jinja2's own errors: it calls methods of texts and lists as it likes."""

LONGEST = 500
"""Characters of an error's own words that are passed on."""

LONG_LINE = 80
"""Characters: templates are often written on one line, which says nothing of which part wrote what."""


def limit_memory(more: int) -> None:
    """At most so many bytes beyond those taken now, where the system can say both: Linux."""
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + more, taken + more))


def render(request: dict[str, Any]) -> dict[str, Any]:
    """{"text"} of a rendered chat, or why there is none: {"refusal"} in the template's words, {"failure"}, {"beyond"} its limits."""
    from jinja2.exceptions import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    chat, template, more = request["chat"], request["template"], request["variables"]
    try:
        (text,), _ = render_jinja_template([chat], chat_template=template, add_generation_prompt=True, **more)
        told = traced(template, text, chat, more) if request.get("trace") else {}
    except TemplateError as error:
        return {"refusal": str(error)[:LONGEST]}
    except MemoryError:
        return {"beyond": "takes more memory than it is given"}
    except FAILURES as error:
        return {"failure": f"{type(error).__name__}: {error}"[:LONGEST]}
    if len(text) > request["longest"]:
        return {"beyond": f"makes {len(text):,} characters of these messages"}
    return {"text": text} | told


def traced(template: str, text: str, chat: list[dict[str, str]], variables: dict[str, Any]) -> dict[str, Any]:
    """{"source": the template in lines, "parts": [[line, what it wrote], …]} of a chat that was rendered as `text`.

    {} where marking the lines would change the text.
    """
    from transformers.utils.chat_template_utils import _compile_jinja_template

    environment = _compile_jinja_template(template).environment
    source = in_lines(template, environment)
    tree = environment.parse(source)
    mark(tree)
    compiled = environment.template_class.from_code(environment, environment.compile(tree), environment.make_globals(None))
    marked = compiled.render(messages=chat, tools=None, documents=None, add_generation_prompt=True, **variables)
    before, *found = re.split("\ue000(\\d+)\ue001", marked)
    written = [(int(line), part) for line, part in zip(found[::2], found[1::2], strict=True) if part]
    if before or "".join(part for _, part in written) != text:
        return {}
    parts = [[line, "".join(part for _, part in run)] for line, run in groupby(written, key=lambda one: one[0])]
    return {"source": source, "parts": parts}


def in_lines(template: str, environment: Any) -> str:
    """A template with a long line, broken behind its blocks, where transformers takes a line's end for nothing (trim_blocks)."""
    if all(len(line) < LONG_LINE for line in template.split("\n")):
        return template
    pieces = ((kind, value) for _, kind, value in environment.lex(template))
    return "".join(value if kind != "block_end" or value.endswith("\n") else f"{value}\n" for kind, value in pieces)


def mark(node: Any) -> None:
    """Put the number of its line before all that is written, but not into what a macro or {% set %} makes: that may be read again."""
    from jinja2 import nodes

    for child in node.iter_child_nodes():
        if isinstance(child, nodes.Output):
            child.nodes = [piece for item in child.nodes for piece in numbered(item)]
        elif not isinstance(child, nodes.Macro | nodes.AssignBlock | nodes.FilterBlock) and not calls_macro(child):
            mark(child)


def calls_macro(node: Any) -> bool:
    """{% call %}; {% generation %} is such a block too, and only passes on what is inside."""
    from jinja2 import nodes

    return isinstance(node, nodes.CallBlock) and not isinstance(node.call.node, nodes.ExtensionAttribute)


def numbered(item: Any) -> list[Any]:
    """What is written, line by line where it is text of the template, with the number before each."""
    from jinja2 import nodes

    if not isinstance(item, nodes.TemplateData):
        first = min([item.lineno, *(inner.lineno for inner in item.find_all(nodes.Node))])
        return [nodes.TemplateData(f"\ue000{first}\ue001"), item]
    rows = re.findall("[^\n]*\n|[^\n]+", item.data)
    return [nodes.TemplateData(f"\ue000{item.lineno + n}\ue001{row}") for n, row in enumerate(rows)]


def main() -> None:
    """Answer requests until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    nowhere = open(os.devnull, "w")  # noqa: SIM115  where faulthandler, which needs a file, reports to
    faulthandler.dump_traceback_later(START_SECONDS, exit=True, file=nowhere)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    first = json.loads(requests.readline())
    sys.path[:] = first["path"]
    import transformers.utils.chat_template_utils

    limit_memory(first["memory"])
    answer: dict[str, str] = {"ready": transformers.__version__}
    while True:
        faulthandler.cancel_dump_traceback_later()
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
        if not (line := requests.readline()):
            return
        request = json.loads(line)
        faulthandler.dump_traceback_later(request["seconds"], exit=True, file=nowhere)
        answer = render(request)


if __name__ == "__main__":
    main()
