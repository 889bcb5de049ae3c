"""An attention function that can record its weights: registered as 'xray', used only by X-ray's own modules.

It computes exactly what sdpa computes; inside `recording(layers)` it also keeps softmax(QKᵀ) of the chosen layers. No switch of a shared
model's attention is needed, so a chat in flight is undisturbed. Models with a soft-capped score (Gemma-2) go through eager attention,
because sdpa refuses the cap.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "xray"
MASKED = -1e30


def in_half(weights: torch.Tensor) -> torch.Tensor:
    """float16 on the CPU."""
    return weights.half().cpu()


@dataclass
class Recording:
    """Attention of the chosen layers: `weights[layer]` is what `keep` makes of (heads, queries, keys) in float32, batch item 0 only."""

    layers: Collection[int]
    keep: Callable[[torch.Tensor], Any] = in_half
    weights: dict[int, Any] = field(default_factory=dict)


_recording: ContextVar[Recording | None] = ContextVar("recording", default=None)


@contextmanager
def recording(layers: Collection[int], keep: Callable[[torch.Tensor], Any] = in_half) -> Iterator[Recording]:
    """Record the given layers for every forward pass in this thread and context."""
    kept = Recording(frozenset(layers), keep)
    token = _recording.set(kept)
    try:
        yield kept
    finally:
        _recording.reset(token)


def xray_attention(module, query, key, value, attention_mask, dropout=0.0, scaling=None, **kwargs):
    """query (1, heads, q, d), key and value (1, kv_heads, k, d) → output (1, q, heads, d), and no weights: those go to the recording."""
    softcap = kwargs.get("softcap")
    if softcap is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs)
    kept = _recording.get()
    wanted = kept is not None and module.layer_idx in kept.layers
    if wanted or softcap is not None:
        weights = attention_weights(query, key, attention_mask, scaling, softcap)
        if wanted:
            kept.weights[module.layer_idx] = kept.keep(weights[0])
    if softcap is not None:
        out = (weights.to(value.dtype) @ expand_heads(value, query.shape[1])).transpose(1, 2).contiguous()
    return out, None


def expand_heads(states: torch.Tensor, heads: int) -> torch.Tensor:
    """(1, kv_heads, k, d) → (1, heads, k, d): grouped-query heads repeated."""
    groups = heads // states.shape[1]
    return states.repeat_interleave(groups, 1) if groups > 1 else states


def attention_weights(query, key, mask, scaling, softcap) -> torch.Tensor:
    """softmax(QKᵀ · scaling + mask) in float32, (1, heads, q, k), as transformers' eager attention computes it."""
    scores = query.float() @ expand_heads(key, query.shape[1]).float().mT
    scores = scores * (scaling if scaling is not None else query.shape[-1] ** -0.5)
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    return masked(scores, mask).softmax(-1)


def masked(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Apply a boolean or additive mask; without one, a pass over several tokens is causal, as in sdpa."""
    queries, keys = scores.shape[-2:]
    if mask is not None:
        mask = mask[..., :keys]
        return scores.masked_fill(~mask, MASKED) if mask.dtype == torch.bool else scores + mask
    if queries == 1:
        return scores
    future = torch.ones(queries, keys, dtype=torch.bool, device=scores.device).triu(keys - queries + 1)
    return scores.masked_fill(future, MASKED)


AttentionInterface.register(NAME, xray_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
