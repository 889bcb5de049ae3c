"""The child process in which chat templates run, and nothing else of ours. Run by sandbox.py; imports no other file of chatapp.

Objects of JSON, one a line: where Python finds its packages and the memory a template may take come first, then requests. When stdin
ends, the parent is gone and so is this process; a template that does not end in time takes the process with it.
"""

import faulthandler
import json
import os
import signal
import sys
from typing import Any

START_SECONDS = 60.0

FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, SyntaxError, TypeError, ValueError)
"""What a template may raise besides jinja2's own errors: it calls methods of texts and lists as it likes."""

LONGEST = 500
"""Characters of an error's own words that are passed on."""


def limit_memory(more: int) -> None:
    """At most so many bytes beyond those taken now, where the system can say both: Linux."""
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + more, taken + more))


def render(request: dict[str, Any]) -> dict[str, str]:
    """{"text"} of a rendered chat, or why there is none: {"refusal"} in the template's words, {"failure"}, {"beyond"} its limits."""
    from jinja2.exceptions import TemplateError
    from transformers.utils.chat_template_utils import render_jinja_template

    chat, template, more = request["chat"], request["template"], request["variables"]
    try:
        (text,), _ = render_jinja_template([chat], chat_template=template, add_generation_prompt=True, **more)
    except TemplateError as error:
        return {"refusal": str(error)[:LONGEST]}
    except MemoryError:
        return {"beyond": "takes more memory than it is given"}
    except FAILURES as error:
        return {"failure": f"{type(error).__name__}: {error}"[:LONGEST]}
    return {"text": text} if len(text) <= request["longest"] else {"beyond": f"makes {len(text):,} characters of these messages"}


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
