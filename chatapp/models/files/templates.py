"""Chat templates explained: where the model keeps one, which line writes what into a short chat, and what the template listens to."""

from dataclasses import asdict
from datetime import date
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.files.explained import Explained, Line, short
from chatapp.models.files.folder import Entry, Folder
from chatapp.models.files.settings_files import token_text
from chatapp.prompt.sandbox import TemplateProcess, TemplateRefusal, with_clock

EXPLANATION = (
    "How a chat becomes the one text that the model reads, in the language Jinja. It runs here in a process of its own, "
    "with limits of time and memory."
)
LONGEST = 200_000
"""Characters of a template that are looked at; the longest known here has 20,000."""

SYSTEM, USER, REPLY = "Answer briefly.", "What is the capital of France?", "Paris."
SHOWN = 2000
"""Lines and pieces of text that are shown."""

LISTENS = {
    "tools": "Tools: it can tell the model which functions it may call.",
    "enable_thinking": "Thinking: a switch makes the model think aloud first, or not.",
    "reasoning_content": "It knows thoughts of earlier replies, and leaves them out or shows them.",
    "documents": "Documents: texts that an answer should rest on.",
    "strftime_now": "It writes today's date.",
    "date_string": "It writes a date.",
    "raise_exception": "It refuses some chats in words of its own, such as two questions in a row.",
    "add_generation_prompt": "At the end it may begin the reply, so that the model writes as the assistant.",
    "bos_token": "It writes the token that begins a text.",
    "eos_token": "It writes the token that ends a text.",
    "% generation": "It marks which words are the assistant's, for training.",
}
_process = TemplateProcess()


def explain(entry: Entry, template: str, tokens: dict[str, str], *, render: bool = True) -> Explained:
    """`tokens`: the special tokens by name, which templates write. `render` runs it, in the child process."""
    shown = template[:LONGEST]
    lines = [Line(name, "used in the template", words) for name, words in LISTENS.items() if name in shown.replace("{%- ", "{% ")]
    if len(template) > LONGEST:
        problem = f"It has {len(template):,} characters; at most {LONGEST:,} are looked at, so it is not run."
        return Explained(entry.name, entry.bytes, "chat template", EXPLANATION, problem, tuple(lines), shown)
    found = rendered(template, tokens) if render else {}
    lines += _wrote(found)
    return Explained(
        entry.name, entry.bytes, "chat template", EXPLANATION, found.get("problem", ""), tuple(lines), shown, {"template": found}
    )


def start() -> None:
    """Begin to start the process in which templates run: a second and more, in which other files are read."""
    _process.start()


def rendered(template: str, tokens: dict[str, str]) -> dict[str, Any]:
    """{text, source, parts, chat} of a short chat; {problem} where it makes none of it, in a sentence.

    One that refuses a system prompt gets the chat without, and one that refuses replies a question alone.
    """
    chat = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}]
    replied = [*chat, {"role": "assistant", "content": REPLY}, {"role": "user", "content": "And of Italy?"}]
    refusal = ""
    for messages in (replied, replied[1:], chat[1:]):
        try:
            found = _process.trace(with_clock(template, date.today().isoformat()), messages, tokens)
        except TemplateRefusal as error:
            refusal = refusal or str(error)
            continue
        except ChatError as error:
            return {"problem": str(error)}
        return asdict(found) | {"parts": found.parts[:SHOWN], "chat": messages, "refused": refusal}
    return {"problem": refusal}


def of_folder(folder: Folder) -> dict[str, str]:
    """Templates inside tokenizer_config.json or chat_template.json, by name; {} where there are none."""
    for name in ("tokenizer_config.json", "chat_template.json"):
        found = folder.maybe(name).get("chat_template")
        if isinstance(found, str):
            return {"default": found}
        if isinstance(found, list):
            pairs = [(e.get("name"), e.get("template")) for e in found[:20] if isinstance(e, dict)]
            return {short(n, 40): text for n, text in pairs if isinstance(n, str) and isinstance(text, str)}
    return {}


def special_tokens(folder: Folder) -> dict[str, str]:
    """By the names that templates use: bos_token, eos_token, …"""
    found = folder.maybe("special_tokens_map.json") | folder.maybe("tokenizer_config.json")
    return {name: token_text(value) for name, value in found.items() if name.endswith("_token") and token_text(value)}


def _wrote(found: dict[str, Any]) -> list[Line]:
    """For each line of the template that wrote something, what it wrote, in the order of the lines."""
    rows = found.get("source", "").split("\n")
    wrote: dict[int, list[str]] = {}
    for line, part in found.get("parts", []):
        wrote.setdefault(line, []).append(part)
    return [
        Line(f"line {line}", short(rows[line - 1], 120), f"wrote {' and '.join(repr(short(part, 80)) for part in parts[:4])}")
        for line, parts in sorted(wrote.items())[:100]
        if line <= len(rows)
    ]
