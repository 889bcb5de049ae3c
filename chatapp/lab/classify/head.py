"""A model with a head to classify with, from its folder: any AutoModelForSequenceClassification, safetensors only, no code of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.lab.classify.classifier import Cut
from chatapp.lab.classify.reading import cut_to
from chatapp.models.encoders import load_encoder
from chatapp.models.files.folder import opened
from chatapp.models.info import context_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ENDING = "ForSequenceClassification"
KIND = "AutoModelForSequenceClassification"
AT_ONCE = 16
"""Texts in a batch."""

LIMIT = 2048
"""Tokens: longer texts are of no use to the models of today, and take the memory of their length squared."""


def is_classifier(place: Path) -> bool:
    """By its config.json."""
    return place.is_dir() and any(name.endswith(ENDING) for name in architectures(place))


def architectures(folder: Path) -> list[str]:
    """The names that its config.json gives."""
    named = opened(folder).maybe("config.json").get("architectures")
    return [name for name in named if isinstance(name, str)] if isinstance(named, list) else []


def read(folder: Path, name: str) -> "HeadClassifier":
    """Raises ChatError for what has no head, gives numbers instead of labels, does not fit or is damaged."""
    if not is_classifier(folder):
        kind = ", ".join(architectures(folder)) or "model without a known architecture"
        raise ChatError(
            f"{name} has no head to classify with: it is a {kind}. Choose a {ENDING.removeprefix('For')} model, make one by "
            "python app.py classify --train, or let a chat model say how likely each label is: --zero-shot."
        )
    loaded = load_encoder(folder, name, KIND)
    config = loaded.model.config
    if config.num_labels < 2 or config.problem_type == "regression":
        raise ChatError(
            f"The head of {name} gives {config.num_labels} number(s) on a scale and no labels, so there is nothing to classify."
        )
    labels = tuple(str(config.id2label[n]) for n in range(config.num_labels))
    return HeadClassifier(name, labels, config.problem_type == "multi_label_classification", loaded.model, loaded.tokenizer)


@dataclass(frozen=True)
class HeadClassifier:
    """A Classifier. `model` is in eval mode, in float32 on the CPU."""

    name: str
    labels: tuple[str, ...]
    several: bool
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    method: str = "The model's head gives a logit for each label."

    @property
    def limit(self) -> int:
        return min(context_of(self.model.config), int(min(self.tokenizer.model_max_length, LIMIT)))

    def facts(self) -> list[tuple[str, str]]:
        config = self.model.config
        return [
            ("architecture", type(self.model).__name__),
            ("id2label", ", ".join(f"{n}: {label}" for n, label in enumerate(self.labels))),
            ("head", "each label for itself (sigmoid)" if self.several else "one label of all (softmax)"),
            ("weights", f"{self.model.num_parameters():,}"),
            ("layers × width", f"{config.num_hidden_layers} × {config.hidden_size}"),
            ("longest text", f"{self.limit:,} tokens"),
        ]

    def cut(self, text: str) -> Cut:
        return cut_to(self.tokenizer, text, self.limit, self.name)

    def logits(self, texts: Sequence[str]) -> list[list[float]]:
        size = AT_ONCE if self.tokenizer.pad_token is not None and self.model.config.pad_token_id is not None else 1
        return [row for at in range(0, len(texts), size) for row in self._batch(texts[at : at + size])]

    def beside(self, text: str) -> list[dict[str, float]]:
        return []

    def _batch(self, texts: Sequence[str]) -> list[list[float]]:
        import torch

        given: dict[str, Any] = self.tokenizer(
            list(texts), truncation=True, max_length=self.limit, padding=len(texts) > 1, return_tensors="pt", verbose=False
        )
        with torch.inference_mode():
            return self.model(**given).logits.float().tolist()
