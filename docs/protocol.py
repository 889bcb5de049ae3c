"""Write docs/protocol.md from the files *protocol.py in pages/: python -m docs.protocol. A test fails when they differ."""

import inspect
from dataclasses import fields, is_dataclass
from pathlib import Path

from chatapp.pages import (
    classify_protocol,
    code_protocol,
    compare_protocol,
    files_protocol,
    hub_protocol,
    models_protocol,
    protocol,
    shell_protocol,
    text_protocol,
    train_protocol,
    tune_protocol,
)
from chatapp.xray import registry

FILE = Path(__file__).parent / "protocol.md"
HEAD = """\
# The page's protocol

Written by `make docs` from chatapp/pages/protocol.py, shell_protocol.py, models_protocol.py, hub_protocol.py, files_protocol.py,
text_protocol.py, compare_protocol.py, code_protocol.py,
classify_protocol.py, train_protocol.py and tune_protocol.py.
Every action of a page is one `POST /ui/<name>` with a JSON object; the answer is JSON, or lines of JSON (`application/x-ndjson`)
until the work is done. Whose it is comes from the login or the visitor's cookie; `session` in
the body stands for a visitor whose browser keeps no cookies. A failure is `{"error": {"message", "status", "code"}}`, as the answer or as
the last line: `message` is a sentence for a person. Requests of another site, above ten million bytes, or of the wrong shape are refused.
Files go their own way: `GET /ui/export?format=markdown|json|jsonl[&id=…]`; `POST /ui/import`, `POST /ui/pdf` (answered by its words:
{text, pages}) and `POST /ui/train-upload?name=…` with the file as the body;
`GET /ui/compare-file?id=…&format=csv|jsonl|markdown|html|yaml`.
"""


def text() -> str:
    return HEAD + "".join(section(kind) for kind in kinds()) + questions()


def questions() -> str:
    """What X-ray may be asked, by view."""
    rows = "".join(f"    {view.name}: {', '.join(view.questions)}\n" for view in registry.views())
    return f"\n## X-ray's views and their questions\n\n{rows}"


def kinds() -> list[type]:
    """The messages in the order of the file."""
    rooms = (
        *(protocol, shell_protocol, models_protocol, hub_protocol, files_protocol, text_protocol),
        *(compare_protocol, code_protocol, classify_protocol, train_protocol, tune_protocol),
    )
    return [kind for room in rooms for kind in vars(room).values() if is_dataclass(kind) and kind.__module__ == room.__name__]


def section(kind: type) -> str:
    words = inspect.cleandoc(kind.__doc__ or "")
    rows = "".join(f"    {one.name}: {one.type if isinstance(one.type, str) else named(one.type)}\n" for one in fields(kind))
    return f"\n## {kind.__name__}\n\n```\n{words}\n```\n\n{rows}"


def named(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__origin__") and "[" not in str(kind) else str(kind)


if __name__ == "__main__":
    FILE.write_text(text())
