"""What classifies: something with labels that gives each text a logit for each of them, and the numbers that follow from these."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from chatapp.errors import ChatError

LONGEST = 20_000
"""Characters of a text: more than any model here reads."""

COLDEST, HOTTEST = 0.1, 10.0


@dataclass(frozen=True)
class Cut:
    """A text as a classifier reads it. Of a text of more tokens than it takes, `read` is the beginning that it takes; `ids` are of that."""

    text: str
    read: str
    ids: list[int]
    tokens: list[str]
    whole: int
    limit: int

    @property
    def words(self) -> str:
        """What was left out, with the numbers; '' for nothing."""
        if len(self.read) == len(self.text):
            return ""
        return (
            f"The text is {self.whole:,} tokens long and at most {self.limit:,} are read: "
            f"the first {len(self.read):,} of {len(self.text):,} characters decide."
        )


class Classifier(Protocol):
    """`several`: each label is answered for itself, yes or no. `method` says in words where its logits come from."""

    name: str
    labels: tuple[str, ...]
    several: bool
    method: str

    def facts(self) -> list[tuple[str, str]]:
        """What its configuration says, as [name, words]."""

    def cut(self, text: str) -> Cut:
        """What of a text it reads. Raises ChatError for a text without tokens."""

    def logits(self, texts: Sequence[str]) -> list[list[float]]:
        """A logit for each label of each text."""

    def beside(self, text: str) -> list[dict[str, float]]:
        """For each label the numbers that its logit is made of, by name; none where it is the model's own."""


def probabilities(logits: Sequence[float], temperature: float = 1.0, *, several: bool = False) -> list[float]:
    """The softmax of logits / temperature; of labels that are answered each for itself, the sigmoid."""
    scaled = [logit / temperature for logit in logits]
    if several:
        return [1 / (1 + math.exp(-min(max(x, -700), 700))) for x in scaled]
    powers = [math.exp(x - max(scaled)) for x in scaled]
    return [power / sum(powers) for power in powers]


def log_odds(logits: Sequence[float], label: int, *, several: bool = False) -> float:
    """ln(p / (1 - p)) of a label, from logits: it goes on growing where a probability is 1 to all digits."""
    if several:
        return logits[label]
    others = [x for n, x in enumerate(logits) if n != label]
    most = max(others)
    return logits[label] - most - math.log(sum(math.exp(x - most) for x in others))


def steps(classifier: Classifier, text: str, temperature: float = 1.0) -> dict[str, Any]:
    """From the text to the label, each step with its numbers; `rows` has one for each label."""
    refuse_length(text)
    refuse_temperature(temperature)
    cut = classifier.cut(text)
    logits = classifier.logits([cut.read])[0]
    shares = probabilities(logits, temperature, several=classifier.several)
    rows = [
        {"label": label, "logit": logit, "probability": share}
        for label, logit, share in zip(classifier.labels, logits, shares, strict=True)
    ]
    return {
        "model": classifier.name,
        "method": classifier.method,
        "facts": classifier.facts(),
        "text": text,
        "read": cut.read,
        "cut": cut.words,
        "ids": cut.ids,
        "tokens": cut.tokens,
        "several": classifier.several,
        "temperature": temperature,
        "rows": rows,
        "beside": classifier.beside(cut.read),
        "decided": max(range(len(logits)), key=logits.__getitem__),
    }


def refuse_length(text: str) -> None:
    """Raises ChatError for no text, or one that is too long to be looked at."""
    if not text.strip() or len(text) > LONGEST:
        raise ChatError(f"Give a text of 1 to {LONGEST:,} characters; this one has {len(text.strip()):,}.", status=422)


def refuse_temperature(temperature: float) -> None:
    """Raises ChatError for one that says nothing."""
    if not COLDEST <= temperature <= HOTTEST:
        raise ChatError(f"The temperature {temperature:g} is outside of {COLDEST:g} to {HOTTEST:g}. At 1 it changes nothing.", status=422)
