"""Loose values from outside: JSON that is read strictly, and text without what can be neither stored nor tokenized."""

import json
from typing import Any, NoReturn

DEEPEST = 100
"""Lists and objects inside one another: no question of ours needs ten, and printing some hundred ends in a RecursionError."""


def parsed(data: bytes) -> Any:
    """A JSON value, its texts cleaned. Raises ValueError for all that is none: NaN, half a file, numbers or brackets without an end."""
    try:
        return _cleaned(json.loads(data, parse_constant=_refuse))
    except RecursionError as error:
        raise ValueError("its brackets are nested too deep") from error


def text(value: str) -> str:
    """Without NUL, which PostgreSQL does not take, and with U+FFFD for half a surrogate pair, which is no character."""
    value = value.replace("\0", "")
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _cleaned(value: Any) -> Any:
    """Every text in a JSON value, names too, as `text` has it; lists and objects are changed in place."""
    level = [[value]]  # one depth after the other: the value itself may be a text
    found = level[0]
    for _ in range(DEEPEST):
        if not level:
            return found[0]
        level = [inner for holder in level for inner in _clean(holder)]
    raise ValueError(f"its brackets are nested deeper than {DEEPEST}")


def _clean(holder: dict[str, Any] | list[Any]) -> list[Any]:
    """Clean the texts in one list or object, and return the lists and objects in it."""
    if isinstance(holder, dict):
        items = {text(name): text(item) if isinstance(item, str) else item for name, item in holder.items()}
        holder.clear()
        holder.update(items)
    else:
        holder[:] = [text(item) if isinstance(item, str) else item for item in holder]
    return [item for item in (holder.values() if isinstance(holder, dict) else holder) if isinstance(item, dict | list)]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
