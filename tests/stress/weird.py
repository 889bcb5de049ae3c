"""Strange values, and documents with some of their places changed to them: the same for the same seed."""

import copy
import json
import math
from collections.abc import Iterator
from random import Random
from typing import Any

DEEP, NESTED, HUGE = "@deep", "@nested", "@huge"
PLACEHOLDERS = {DEEP: "[" * 100_000 + "]" * 100_000, NESTED: '{"a":[' * 150 + "]}" * 150, HUGE: "9" * 5000}
"""What json.dumps cannot write, put into its text afterwards."""

TEXTS = ("", " ", "\0", "\ud83d", "cut \ud83d here", "\udc00", "\u202e", "<script>alert(1)</script>", "😀" * 40, "x" * 50_000, "<|im_end|>")
TEXTS += ("NaN", "null", "../../../etc/passwd", "'; DROP TABLE turns; --", "\x1b[31m", "\u2028", "id" * 100, "0" * 32)
NUMBERS = (-1, 0, 1, 0.1, -0.0, 1e308, -1e308, 1e-320, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**30)
NUMBERS += (math.nan, math.inf, -math.inf)
OTHERS = (None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"b": {}}}, DEEP, NESTED, HUGE)
EVERY = (*TEXTS, *NUMBERS, *OTHERS)

Place = tuple[Any, Any]
"""A list or an object, and an index or a name in it."""


def places(document: Any) -> Iterator[Place]:
    """Every place in a JSON value, outermost first."""
    names = list(document) if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    for name in names:
        yield document, name
        yield from places(document[name])


def mutated(random: Random, document: Any, changes: int = 2) -> tuple[Any, str]:
    """A copy with one or more places changed, lost, doubled or renamed, and what was done, in words."""
    document, done = copy.deepcopy(document), []
    for _ in range(random.randint(1, changes)):
        found = list(places(document))
        if not found:
            break
        holder, name = random.choice(found)
        done.append(f"{name!r} {changed(random, holder, name)}")
    return document, " and ".join(done)


def changed(random: Random, holder: Any, name: Any) -> str:
    """Do one thing to one place."""
    kind = random.choice(("replace",) * 6 + ("remove", "double", "add"))
    if kind == "remove":
        del holder[name]
    elif kind == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[name]))
    elif kind == "add" and isinstance(holder, dict):
        holder[random.choice(("", "x", "__proto__", "\ud83d", "owner", "id"))] = random.choice(EVERY)
    else:
        value = random.choice(EVERY)
        holder[name] = value
        return f"= {ascii(value)[:40]}"
    return kind


def as_json(document: Any) -> str:
    """The text of a document, strange numbers as Python and browsers' libraries write them, half surrogates escaped."""
    text = json.dumps(document)
    for name, value in PLACEHOLDERS.items():
        text = text.replace(f'"{name}"', value)
    return text
