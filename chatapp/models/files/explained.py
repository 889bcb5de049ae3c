"""What is said of a file: plain data, the same for the page, the command line and JSON."""

from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from chatapp.models.memory import gigabytes

LONGEST_VALUE = 200
"""Characters of a value that are shown beside its words."""

SHOWN_ITEMS = 8


@dataclass(frozen=True)
class Line:
    """A line that matters: `key` and `value` as the file has them, and what they mean. `known` is False where nobody here knows the key."""

    key: str
    value: str
    words: str
    known: bool = True


@dataclass(frozen=True)
class Explained:
    """A file of a model.

    kind         what it is, in a word or two; `explanation` what it is for
    problem      what is wrong with it, or why it was not opened, in a sentence; '' where all is well
    content      the file as text to read, pretty-printed and cut to what can be read
    more         what only this kind has: a table of tensors, a sentence cut by a tokenizer, a rendered template
    """

    name: str
    bytes: int
    kind: str
    explanation: str
    problem: str = ""
    lines: tuple[Line, ...] = ()
    content: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """For JSON, without what it does not say."""
        told = asdict(self)
        told["lines"] = [asdict(line) for line in self.lines]
        return {name: value for name, value in told.items() if value not in ("", (), [], {}) or name in ("bytes", "kind", "explanation")}


def short(value: object, most: int = LONGEST_VALUE, depth: int = 2) -> str:
    """A value on one line, cut; neither a number of any length nor lists inside lists are a danger."""
    if isinstance(value, dict | list):
        return _joined(value, depth)
    if isinstance(value, int) and not isinstance(value, bool):
        return number(value)
    text = value if isinstance(value, str) else _json(value)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text[: most + 1])
    return text if len(text) <= most else f"{text[:most]}…"


def _json(value: object) -> str:
    """true, false and null as JSON spells them."""
    return {"True": "true", "False": "false", "None": "null"}.get(repr(value), repr(value))


def _joined(value: dict[str, Any] | list[Any], depth: int) -> str:
    """Of a list or object no more than the first items: one may hold a vocabulary."""
    opens, closes = "{}" if isinstance(value, dict) else "[]"
    if depth == 0:
        return f"{opens}…{closes}"
    items = islice(value.items() if isinstance(value, dict) else value, SHOWN_ITEMS)
    shown = [f"{short(i[0], 40)}: {short(i[1], 40, depth - 1)}" if isinstance(value, dict) else short(i, 40, depth - 1) for i in items]
    more = [f"… {len(value) - SHOWN_ITEMS:,} more"] if len(value) > SHOWN_ITEMS else []
    return opens + ", ".join(shown + more) + closes


def size(count: int) -> str:
    """Bytes in words: exact while they are few, then in MB and GB."""
    return gigabytes(count) if 10**5 <= count < 10**18 else f"{number(count)} bytes"


def number(value: int) -> str:
    """1234567 → '1,234,567'. One with more digits than any size has is told by its length: printing it may be refused."""
    return f"{value:,}" if abs(value) < 10**30 else f"a number of {value.bit_length():,} bits"
