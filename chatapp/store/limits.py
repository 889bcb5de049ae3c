"""Which numbers a record may hold: an import with others is refused, and where an older program took them, they are brought back within."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from chatapp.sampling import MAX_SEED

TIME = (0.0, 32_503_680_000.0)
"""Unix seconds, to the year 3000: every system can write such a day. Durations have the same limits."""

COUNT = (0, 2**31 - 1)

LOGPROB = (-math.inf, 0.01)
"""0 is certain; a hundredth for engines that round."""

TOKEN_ID = (0, 2**24 - 1)
"""Beyond any vocabulary: the largest have 2**18 entries."""

LIMITS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("created", "updated", "started", "queued", "first_token", "generating"), TIME),
    **dict.fromkeys(("dropped_messages", "prefix_tokens", "cached_prompt_tokens", "start", "end", "message"), COUNT),
    "seed": (0, MAX_SEED),
}
"""By the name of the field, in whichever value it stands."""


def outside(value: Any) -> Iterator[tuple[str, str]]:
    """(field, what is wrong with it) of each number of a dataclass beyond its limits."""
    for field in fields(value):
        if (limit := LIMITS.get(field.name)) and (said := wrong(getattr(value, field.name), limit)):
            yield field.name, said


def wrong(number: float | None, limit: tuple[float, float]) -> str:
    """What is wrong with a number, in words; '' when nothing is."""
    low, high = limit
    return "" if number is None or low <= number <= high else f"is {str(number)[:40]}; it must be from {low:.10g} to {high:.11g}"


def within(number: float | None, limit: tuple[float, float]) -> float:
    """The nearest number that is allowed; the lowest for none (SQLite keeps NaN so) and for NaN."""
    low, high = limit
    nothing = number is None or (isinstance(number, float) and math.isnan(number))
    return low if nothing else min(max(number, low), high)


def token_ids(ids: Sequence[int]) -> bool:
    """Whether all of these can be ids of some vocabulary."""
    return not ids or TOKEN_ID[0] <= min(ids) <= max(ids) <= TOKEN_ID[1]


def mended(values: dict[str, Any]) -> dict[str, Any]:
    """A turn's plain values, its numbers within their limits. What cannot be ids, a seed or a log-probability is left out: it was none."""
    prompt, reply = (values[name] if token_ids(values[name]) else [] for name in ("prompt_ids", "reply_ids"))
    counts = {name: within(values[name], COUNT) for name in ("dropped_messages", "prefix_tokens", "cached_prompt_tokens")}
    counts["prefix_tokens"] = min(counts["prefix_tokens"], len(prompt))
    spans = [{name: within(v, COUNT) if isinstance(v, int) else v for name, v in span.items()} for span in values["spans"]]
    seed = None if wrong(values["seed"], LIMITS["seed"]) else values["seed"]
    logprobs = [None if wrong(logprob, LOGPROB) else logprob for logprob in values["logprobs"]]
    logprobs = logprobs if len(logprobs) == len(reply) else []
    return values | counts | {"prompt_ids": prompt, "reply_ids": reply, "spans": spans, "seed": seed, "logprobs": logprobs}
