"""Attention of recorded ids: chosen layers, as bytes a canvas can draw. What it costs is said before."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from chatapp.errors import ChatError
from chatapp.models.attention import in_half, recording

MAX_CELLS = 40_000_000
"""Weights computed at most at once: tokens² × heads × layers. 40 million is 80 MB in float16 and 40 MB on its way to the page."""

SMALL = 4_000_000
"""Weights sent without being asked for: all heads of all layers of a short turn, or the last layers of a longer one."""


@dataclass(frozen=True)
class Cost:
    """What a view would take: `cells` weights, `memory` bytes while computing, `payload` bytes sent to the page."""

    tokens: int
    heads: int
    layers: int

    @property
    def cells(self) -> int:
        return self.tokens**2 * self.heads * self.layers

    @property
    def memory(self) -> int:
        return self.cells * 2 + self.tokens**2 * self.heads * 8

    @property
    def payload(self) -> int:
        return self.tokens * (self.tokens + 1) // 2 * self.heads * self.layers


def cost(model: PreTrainedModel, tokens: int, layers: Sequence[int]) -> Cost:
    """The cost of recording these layers for so many tokens. Raises ChatError for a layer the model does not have."""
    config = model.config.get_text_config()
    unknown = [layer for layer in layers if not 0 <= layer < config.num_hidden_layers]
    if unknown:
        raise ChatError(f"Layer {unknown[0]} was asked for; this model has layers 0 to {config.num_hidden_layers - 1}.")
    return Cost(tokens, config.num_attention_heads, len(layers))


def attention(model: PreTrainedModel, ids: Sequence[int], layers: Sequence[int]) -> dict[int, torch.Tensor]:
    """layer → (heads, tokens, tokens) float16. Row i is where token i looked. Refuses with numbers above MAX_CELLS."""
    refuse_large(cost(model, len(ids), layers))
    return each(model, ids, layers, in_half)


def refuse_large(asked: Cost) -> None:
    """Raises ChatError with the numbers above MAX_CELLS."""
    if asked.cells > MAX_CELLS:
        fits = max(1, MAX_CELLS // (asked.tokens**2 * asked.heads))
        raise ChatError(
            f"{asked.tokens} tokens × {asked.heads} heads × {asked.layers} layers are {asked.cells / 1e6:.0f} million weights; "
            f"at most {MAX_CELLS / 1e6:.0f} million are computed. Choose at most {fits} layers or fewer tokens."
        )


def each(model: PreTrainedModel, ids: Sequence[int], layers: Sequence[int], keep: Callable[[torch.Tensor], Any]) -> dict[int, Any]:
    """layer → what `keep` makes of its (heads, tokens, tokens). One layer's weights are held at a time, all of them in eager attention."""
    tensor = torch.tensor([list(ids)], device=model.device)
    with torch.inference_mode(), recording(layers, keep) as kept:
        out = model(tensor, output_attentions=uses_eager(model), **no_cache(model))
    return {layer: keep(out.attentions[layer][0]) for layer in layers} if uses_eager(model) else kept.weights


def no_cache(model: PreTrainedModel) -> dict[str, Any]:
    """For one pass over a text: a model that writes keeps no keys and values, and computes logits for the last token only."""
    wanted = {"use_cache": False, "logits_to_keep": 1}
    return {name: value for name, value in wanted.items() if name in inspect.signature(model.forward).parameters}


def uses_eager(model: PreTrainedModel) -> bool:
    return model.config._attn_implementation == "eager"


KINDS = ("earlier tokens", "previous token", "itself", "first token")
WHOLE_KINDS = ("other tokens", "previous token", "itself", "first token", "next token", "last token")
"""What a head looks at, told by measure; in an encoder also what stands behind. A head of the first kind says most about a text."""

SPREAD = "spread out"

PREDOMINANT = 0.4
"""Mean weight from which on a head is named after what it looks at."""


def head_kinds(weights: torch.Tensor, causal: bool = True) -> list[dict[str, Any]]:
    """For every head of (heads, n, n): its mean weight on the first token, the previous one and itself, and on one other token.

    `kind` names the largest of them. Rows of the first three tokens are left out: they have nothing else to look at; in an encoder the
    last row too, which has no next token.
    """
    measured = weights.float()[:, 3 : None if causal else -1]
    if not measured.shape[1]:
        return [{"kind": SPREAD, "share": 0.0, "earlier": 0.0} for _ in weights]
    rows = torch.arange(measured.shape[1])
    places = [rows + 2, rows + 3, torch.zeros_like(rows)]
    places += [] if causal else [rows + 4, torch.full_like(rows, weights.shape[-1] - 1)]
    others = measured.clone()
    for columns in places:
        others[:, rows, columns] = 0
    means = torch.stack([others.amax(-1).mean(1), *(measured[:, rows, columns].mean(1) for columns in places)])
    return [_named(column, KINDS if causal else WHOLE_KINDS) for column in means.T.tolist()]


def _named(means: list[float], kinds: Sequence[str]) -> dict[str, Any]:
    largest = max(means)
    kind = kinds[means.index(largest)] if largest >= PREDOMINANT else SPREAD
    return {"kind": kind, "share": round(largest, 3), "earlier": round(means[0], 3)}


def packed(weights: torch.Tensor, causal: bool = True) -> bytes:
    """(heads, n, n) → uint8 rows head after head, 255 is weight 1: n·(n+1)/2 bytes of the causal triangle, else all n·n."""
    n = weights.shape[-1]
    rows, columns = torch.tril_indices(n, n)
    seen = weights[:, rows, columns] if causal else weights
    return (seen.float() * 255).round().to(torch.uint8).numpy().tobytes()


def small(model: PreTrainedModel, tokens: int) -> list[int]:
    """As many of the last layers as are SMALL together, at least one."""
    one = cost(model, tokens, [0]).cells
    return list(range(model.config.get_text_config().num_hidden_layers))[-max(1, SMALL // max(1, one)) :]


def layer_numbers(text: str, count: int) -> list[int] | None:
    """'0-3,7' or 'all' as numbers; None for an empty text. Raises ChatError for anything else."""
    text = text.strip().lower()
    if not text:
        return None
    if text == "all":
        return list(range(count))
    numbers: set[int] = set()
    for part in text.split(","):
        low, _, high = (piece.strip() for piece in part.partition("-"))
        if not low.isdecimal() or (high and not high.isdecimal()) or int(high or low) >= count or int(low) > int(high or low):
            raise ChatError(f"Layers are {text[:40]!r}; write them as 0-3,7 or all. This model has layers 0 to {count - 1}.")
        numbers |= set(range(int(low), int(high or low) + 1))
    return sorted(numbers)


def compact(numbers: Sequence[int]) -> str:
    """[0, 1, 2, 5] → '0-2,5'"""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
