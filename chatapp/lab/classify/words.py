"""Which words decided: each word is left out once, and what that changes is measured. Nothing is estimated from gradients or attention."""

import re
from collections.abc import Generator, Sequence
from typing import Any

from chatapp.lab.classify.classifier import Classifier, log_odds, probabilities

WORD = re.compile(r"\S+")
MOST_WORDS = 300
"""Each is one more reading of the whole text."""

AT_ONCE = 16

NONE = "The text is one word: without it nothing is left to compare with."


def too_many(count: int) -> str:
    return f"The text has {count:,} words; each would be one more reading of it, and at most {MOST_WORDS} are measured."


def measured(classifier: Classifier, text: str, label: int) -> Generator[float, None, dict[str, Any]]:
    """Shares of the work while it goes on; returns {words, why_not}.

    A word is {start, end, probability, log_odds}: what the text loses of the probability and the log-odds of `label` without it, so that
    a word that speaks for the label has positive numbers.
    """
    spans = [found.span() for found in WORD.finditer(text)]
    if len(spans) < 2 or len(spans) > MOST_WORDS:
        return {"words": [], "why_not": NONE if len(spans) < 2 else too_many(len(spans))}
    texts = [text, *(without(text, start, end) for start, end in spans)]
    logits: list[list[float]] = []
    for at in range(0, len(texts), AT_ONCE):
        yield at / len(texts)
        logits += classifier.logits(texts[at : at + AT_ONCE])
    (whole_p, whole_odds), *rest = [_of(row, label, classifier.several) for row in logits]
    words = [
        {"start": start, "end": end, "probability": whole_p - p, "log_odds": whole_odds - odds}
        for (start, end), (p, odds) in zip(spans, rest, strict=True)
    ]
    return {"words": words, "why_not": ""}


def without(text: str, start: int, end: int) -> str:
    """The text without these characters and the space behind them."""
    return f"{text[:start]}{text[end:].lstrip()}".strip()


def _of(logits: Sequence[float], label: int, several: bool) -> tuple[float, float]:
    return probabilities(logits, several=several)[label], log_odds(logits, label, several=several)
