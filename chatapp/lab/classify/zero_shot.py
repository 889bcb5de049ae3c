"""Classifying by a chat model that nobody trained for it: how likely each label is as the words that go on from the text.

log p(label | "Review: … Sentiment:") is a sum over the label's tokens. By itself it prefers labels that are frequent anyway, so the same is
asked with a text without content ("N/A") and taken off: contextual calibration, Zhao et al. 2021 (arXiv:2102.09690).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.lab.classify.classifier import Cut
from chatapp.lab.classify.reading import cut_to
from chatapp.models.info import context_of
from chatapp.xray.text.reading import encoded

if TYPE_CHECKING:
    from chatapp.xray.preparing import InspectedModel

PROMPT = "Review: {text}\nSentiment:"
LABELS = ("negative", "positive")
PLACE = "{text}"
EMPTY = "N/A"
LIMIT = 1024
"""Tokens of the prompt."""

MOST_LABELS, LONGEST_LABEL, LONGEST_PROMPT = 20, 60, 2_000


def zero_shot(by: "InspectedModel", labels: Sequence[str], prompt: str) -> "ZeroShot":
    """Raises ChatError for labels that are none, and for a prompt without a place for the text."""
    labels = tuple(label.strip() for label in labels)
    if not 2 <= len(labels) <= MOST_LABELS or len(set(labels)) < len(labels):
        raise ChatError(f"Give 2 to {MOST_LABELS} different labels; these are {len(labels)}: {', '.join(labels)[:100]}.", status=422)
    if wrong := [label for label in labels if not 0 < len(label) <= LONGEST_LABEL]:
        raise ChatError(f"A label has 1 to {LONGEST_LABEL} characters; {wrong[0][:20]!r} has {len(wrong[0])}.", status=422)
    if prompt.count(PLACE) != 1 or len(prompt) > LONGEST_PROMPT:
        raise ChatError(f"The prompt needs {PLACE} once, where the text stands, and at most {LONGEST_PROMPT:,} characters.", status=422)
    return ZeroShot(by.name, labels, prompt, by)


@dataclass(frozen=True)
class ZeroShot:
    """A Classifier. A logit is log p(label | prompt) less the same without content; their softmax is the calibrated probability."""

    name: str
    labels: tuple[str, ...]
    prompt: str
    by: "InspectedModel"
    several: bool = False
    method: str = (
        "The logit is how likely the chat model goes on with the label's words (log p, summed over their tokens), less how likely it does "
        "so after a text without content."
    )

    def facts(self) -> list[tuple[str, str]]:
        return [
            ("model", f"{self.name}, {self.by.note}"),
            ("prompt", self.prompt),
            ("a text without content", EMPTY),
            *((f"tokens of “{label}”", " ".join(self.by.tokenizer.convert_ids_to_tokens(self._label_ids(label)))) for label in self.labels),
        ]

    def cut(self, text: str) -> Cut:
        around = len(encoded(self.by.tokenizer, self._filled(""))[0]) + max(len(self._label_ids(label)) for label in self.labels)
        found = cut_to(self.by.tokenizer, text, min(context_of(self.by.model.config), LIMIT) - around, self.name)
        ids, pieces = encoded(self.by.tokenizer, self._filled(found.read))
        return Cut(text, found.read, ids, [piece.token for piece in pieces], found.whole, found.limit)

    def logits(self, texts: Sequence[str]) -> list[list[float]]:
        return [[given - free for given, free in zip(self._likely(text), self._free, strict=True)] for text in texts]

    def beside(self, text: str) -> list[dict[str, float]]:
        return [{"log p": given, "log p of no content": free} for given, free in zip(self._likely(text), self._free, strict=True)]

    @cached_property
    def _free(self) -> list[float]:
        return self._likely(EMPTY)

    def _filled(self, text: str) -> str:
        return self.prompt.replace(PLACE, text)

    def _label_ids(self, label: str) -> list[int]:
        """Of a label behind the prompt, as the tokenizer cuts both together where that leaves the prompt's ids as they are."""
        prompt = self._filled(EMPTY)
        ids, both = (encoded(self.by.tokenizer, text)[0] for text in (prompt, f"{prompt} {label}"))
        if both[: len(ids)] == ids and len(both) > len(ids):
            return both[len(ids) :]
        return self.by.tokenizer(f" {label}", add_special_tokens=False)["input_ids"]

    def _likely(self, text: str) -> list[float]:
        """log p of each label after the prompt: one reading for all, padded behind, where a causal model does not look."""
        import torch

        ids, _ = encoded(self.by.tokenizer, self._filled(text))
        ends = [self._label_ids(label) for label in self.labels]
        most = max(map(len, ends))
        rows = torch.tensor([[*ids, *end, *[0] * (most - len(end))] for end in ends], device=self.by.model.device)
        with torch.inference_mode():
            logits = self.by.model(rows, use_cache=False, logits_to_keep=most + 1).logits[:, :-1].float().log_softmax(-1)
        return [sum(logits[n, at, token].item() for at, token in enumerate(end)) for n, end in enumerate(ends)]
