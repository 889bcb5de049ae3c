"""JSON as a person reads it: indented, and long lists, tables and texts cut, with the number of what was left out."""

import json
from collections.abc import Iterator
from typing import Any

from chatapp import strict_json

MOST_ITEMS, MOST_TEXT, DEEPEST, MOST_LINES = 12, 300, 8, 600


def pretty(value: Any) -> str:
    """Indented by two; MOST_ITEMS of each list and object, MOST_LINES in all. Takes time for what is shown, not for what is there."""
    lines: list[str] = []
    for line in _lines(value, "", 0):
        if len(lines) == MOST_LINES:
            return strict_json.text("\n".join([*lines, "… cut here"]))
        lines.append(line)
    return strict_json.text("\n".join(lines))


def _lines(value: Any, indent: str, depth: int) -> Iterator[str]:
    if not isinstance(value, dict | list) or not value:
        yield indent + _leaf(value)
        return
    opens, closes = ("{", "}") if isinstance(value, dict) else ("[", "]")
    yield f"{indent}{opens}"
    if depth == DEEPEST:
        yield f"{indent}  … nested deeper"
    else:
        yield from _items(value, f"{indent}  ", depth)
    yield f"{indent}{closes}"


def _items(value: dict[str, Any] | list[Any], indent: str, depth: int) -> Iterator[str]:
    keyed = isinstance(value, dict)
    most = 200 if depth == 0 and keyed else MOST_ITEMS  # the keys of the file itself are what one came for
    for n, item in enumerate(value):
        if n == most:
            yield f"{indent}… {len(value) - most:,} more"
            return
        inner = _lines(value[item] if keyed else item, indent, depth + 1)
        first = next(inner)
        yield f"{indent}{_leaf(item)}: {first.lstrip()}" if keyed else first
        yield from inner


def _leaf(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 10**40:
        return f"… a number of {value.bit_length():,} bits"
    if isinstance(value, str) and len(value) > MOST_TEXT:
        return json.dumps(value[:MOST_TEXT], ensure_ascii=False) + f" … {len(value) - MOST_TEXT:,} characters more"
    return json.dumps(value, ensure_ascii=False)
