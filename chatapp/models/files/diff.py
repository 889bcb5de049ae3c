"""Two models side by side: sizes, keys of their configurations, chat templates line by line."""

import difflib
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.files import config, templates, weights_files
from chatapp.models.files.explained import number, short
from chatapp.models.files.folder import Folder, opened
from chatapp.models.gguf import GgufFile, read_gguf
from chatapp.models.shape import Shape, shape_of

MOST_LINES = 1500
"""Lines of a template that are compared: comparing takes time with the square of their number."""

MOST_KEYS = 500
SIZES = {
    "layers": "blocks",
    "hidden": "width",
    "heads": "query heads",
    "kv_heads": "heads of keys and values",
    "head_dim": "width of a head",
    "inner": "inner width of the feed-forward part",
    "vocabulary": "vocabulary",
    "context": "context in tokens",
    "experts": "experts",
    "kv_bytes": "bytes of KV cache a token",
    "block": "parameters a block, about",
}


class Side:
    """One of the two: a folder with config.json, or a GGUF file. `problem` where it cannot be read."""

    def __init__(self, place: Path) -> None:
        self.folder: Folder = opened(place)
        self.gguf: GgufFile | None = None
        self.problem = ""
        self.values: dict[str, Any] = {}
        self.template, self.shape = "", Shape()
        try:
            self._read(place)
        except ChatError as error:
            self.problem = str(error)

    def _read(self, place: Path) -> None:
        if self.folder.only:
            self.gguf = read_gguf(place)
            self.values = {key: value for key, value in self.gguf.values.items() if key != "tokenizer.chat_template"}
            self.template, _ = weights_files.gguf_template(place)
            self.shape = weights_files.gguf_shape(self.gguf)
            return
        self.values = flat(self.folder.json("config.json"))
        self.shape = shape_of(self.folder.json("config.json"))
        inside = templates.of_folder(self.folder)
        named = inside.get("default") or next(iter(inside.values()), "")
        self.template = self.folder.text("chat_template.jinja") if self.folder.has("chat_template.jinja") else named


def compare(one: Path, other: Path) -> dict[str, Any]:
    """{sizes, keys, template, problems}; only what differs. Raises ChatError where nothing is."""
    a, b = Side(one), Side(other)
    alike = (a.gguf is None) == (b.gguf is None)
    note = "" if alike else "One is a GGUF and one a folder: their keys have different names, so only sizes and templates are compared."
    return {
        "sizes": sizes(a.shape, b.shape),
        "keys": keys(a, b) if alike else [],
        "template": template(a.template, b.template),
        "problems": [problem for problem in (a.problem, b.problem) if problem],
        "note": note,
    }


def sizes(a: Shape, b: Shape) -> list[dict[str, str]]:
    """Those that differ, as [words, one, other]."""
    pairs = [(words, getattr(a, name), getattr(b, name)) for name, words in SIZES.items()]
    return [{"key": words, "one": number(x) if x else "", "other": number(y) if y else ""} for words, x, y in pairs if x != y]


def keys(a: Side, b: Side) -> list[dict[str, str]]:
    """Keys that only one has, or that have other values; '' where it is not named."""
    names = [name for name in a.values | b.values if a.values.get(name) != b.values.get(name) or (name in a.values) != (name in b.values)]
    return [
        {
            "key": short(name, 80),
            "one": short(a.values[name]) if name in a.values else "",
            "other": short(b.values[name]) if name in b.values else "",
            "words": config.words_of(name.rpartition(".")[2], a.values.get(name, b.values.get(name)), a.shape),
        }
        for name in names[:MOST_KEYS]
    ]


def template(a: str, b: str) -> list[dict[str, str]]:
    """Lines as {"sign": " " | "-" | "+", "text"}, with three around each difference; [] for equal ones."""
    rows = [text[: templates.LONGEST].split("\n")[:MOST_LINES] if text else [] for text in (a, b)]
    found = list(difflib.unified_diff(*rows, lineterm="", n=3))[2:]
    return [{"sign": row[:1] if row[:1] in "-+" else " ", "text": short(row[1:] if row[0] != "@" else "…", 400)} for row in found]


def flat(values: dict[str, Any], before: str = "", depth: int = 2) -> dict[str, Any]:
    """{"a": {"b": 1}} → {"a.b": 1}, so that one changed number is one line."""
    out: dict[str, Any] = {}
    for key, value in list(values.items())[:MOST_KEYS]:
        if isinstance(value, dict) and value and depth:
            out |= flat(value, f"{before}{key}.", depth - 1)
        else:
            out[f"{before}{key}"] = value
    return out
