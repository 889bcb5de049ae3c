"""What a reply measures as a number, and a column as the mean of its replies. From rows alone: no model is asked."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from chatapp.lab.grid import Grid
from chatapp.lab.rows import Row, failed
from chatapp.turn import pace

WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Metric:
    """One number of a reply; None where it has none. `digits` stand after its point, `unit` after it, `apart` after a difference."""

    name: str
    label: str
    value: Callable[[Row], float | None]
    digits: int
    unit: str
    help: str
    apart: str = ""

    def said(self, number: float | None) -> str:
        """As a table or sentence has it."""
        return "–" if number is None else f"{number:.{self.digits}f}{self.unit}".replace("-", "−")

    def said_apart(self, number: float, *, signed: bool = False) -> str:
        """A difference, with its sign or without."""
        sign = "+" if number > 0 else "−" if number < 0 else ""
        return f"{sign if signed else ''}{abs(number):.{self.digits}f}{self.apart}"


def words_of(text: str) -> list[str]:
    """Words and marks in small letters: models of different tokenizers are counted alike."""
    return WORD.findall(text.lower())


def distinct(text: str, n: int) -> float | None:
    """Distinct-n (Li et al., 2016) of one reply: how many of its n-grams of words are different ones. None below n words."""
    words = words_of(text)
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else None


def repetition(text: str) -> float | None:
    """Share of its 4-grams of words that stood in the reply before (seq-rep-4 of Welleck et al., 2020)."""
    share = distinct(text, 4)
    return None if share is None else 1 - share


def speed(row: Row) -> float | None:
    """Tokens a second after the first one, while others were written beside it; None for a reply that came in one burst."""
    return pace(row["tokens"], row["timings"]["first_token"], row["timings"]["generating"])


def judged(name: str) -> Callable[[Row], float | None]:
    """What the grid's judge found; None where there is none, or it could not read the reply."""
    return lambda row: (row.get("judged") or {}).get(name)


METRICS = (
    Metric(
        "passed",
        "Passed",
        lambda row: None if row["passed"] is None else 100.0 * row["passed"],
        0,
        " %",
        "replies that pass all assertions",
        " points",
    ),
    Metric("tokens", "Tokens", lambda row: float(row["tokens"]), 1, "", "tokens of the reply"),
    Metric(
        "speed",
        "Tokens/s",
        speed,
        1,
        "",
        "tokens a second after the first, with others beside it; none for a burst",
    ),
    Metric(
        "logprob",
        "Log-probability",
        lambda row: row["logprob"],
        3,
        "",
        "mean over the reply's tokens, natural log, where the engine gives it",
    ),
    Metric("distinct_1", "Distinct-1", lambda row: distinct(row["reply"], 1), 3, "", "share of its words that are different ones"),
    Metric("distinct_2", "Distinct-2", lambda row: distinct(row["reply"], 2), 3, "", "share of its pairs of words that are different ones"),
    Metric("repetition", "Repetition", lambda row: repetition(row["reply"]), 3, "", "share of its 4-word pieces that it has said before"),
    Metric(
        "perplexity", "Perplexity", judged("perplexity"), 2, "", "per token of the reply as the judge cuts and expects it: 1 is certain"
    ),
    Metric("entropy", "Entropy", judged("entropy"), 3, "", "of the judge's distribution before each token of the reply, mean, in nats"),
)

BY_NAME = {metric.name: metric for metric in METRICS}


JUDGED = ("perplexity", "entropy")


def metrics_of(grid: Grid) -> list[Metric]:
    """Those that a grid can have numbers for."""
    return [metric for metric in METRICS if grid.judge or metric.name not in JUDGED]


def mean(metric: Metric, rows: Sequence[Row]) -> float | None:
    """Over the replies that have it, each as often as it counts."""
    values = [value for row in rows if not failed(row) and (value := metric.value(row)) is not None for _ in range(row["count"])]
    return fmean(values) if values else None


@dataclass(frozen=True)
class ColumnSummary:
    """A column of the results in numbers. `replies` counts greedy ones as often as they stand for; `means` are by Metric.name."""

    label: str
    replies: int
    failures: int
    means: dict[str, float | None]


def summaries(labels: Sequence[str], rows: Sequence[Row]) -> list[ColumnSummary]:
    """One for each column, in their order."""
    return [_summary(label, [row for row in rows if row["column"] == label]) for label in labels]


def _summary(label: str, rows: Sequence[Row]) -> ColumnSummary:
    failures = sum(row["count"] for row in rows if failed(row))
    return ColumnSummary(label, sum(row["count"] for row in rows), failures, {metric.name: mean(metric, rows) for metric in METRICS})


def tokens_read(rows: Sequence[Row]) -> tuple[int, int]:
    """(prompt tokens that were read, those that all prompts have): the others were in a KV cache already."""
    given = sum(row["prompt_tokens"] for row in rows)
    return given - sum(row["timings"]["cached_prompt_tokens"] for row in rows), given


@dataclass(frozen=True)
class Divergence:
    """Where two replies part: after `index` common tokens. `first` and `second` are the ids there, None where a reply has ended."""

    index: int
    first: int | None
    second: int | None


def divergence(first: Row, second: Row) -> Divergence | None:
    """The first token in which two replies of the same weights differ; None where they are the same to the end.

    Ids of different models mean different things: compare those by their text.
    """
    one, other = first["ids"], second["ids"]
    index = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    if index == len(one) == len(other):
        return None
    return Divergence(index, one[index] if index < len(one) else None, other[index] if index < len(other) else None)


def same_text(first: str, second: str) -> int:
    """How many characters two replies share from the start."""
    return next((n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second)))


CONTEXT = 40
"""Characters that are shown before and after the place where two replies part."""


@dataclass(frozen=True)
class Parting:
    """Where two replies part, for people: the words before, and how each goes on ('' where it has ended)."""

    place: str
    before: str
    first: str
    second: str


def parting(first: Row, second: Row) -> Parting | None:
    """The place as a token for replies of the same weights, else as a character; None where they have the same words."""
    one, other = first["reply"], second["reply"]
    if one == other:
        return None
    at = same_text(one, other)
    start = max(0, at - CONTEXT)
    found = divergence(first, second) if first["turn"]["revision"] == second["turn"]["revision"] else None
    place = f"token {found.index + 1}" if found else f"character {at + 1}"
    return Parting(place, ("…" if start else "") + other[start:at], one[at : at + CONTEXT], other[at : at + CONTEXT])


def beside(row: Row, first: Sequence[Row]) -> Row | None:
    """The reply of the first column that a reply is compared with: that of its replica, else the only one; None where there is none."""
    other = next((one for one in first if one["replica"] == row["replica"]), None) or next(iter(first), None)
    return None if other is None or other["column"] == row["column"] or failed(row) or failed(other) else other
