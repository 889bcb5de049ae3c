"""What attention rests on, layer by layer: shares on oneself, the token before and the first one, and how spread out it is."""

import math
from collections.abc import Sequence
from functools import partial

import torch
from transformers import PreTrainedModel

from chatapp.errors import ChatError
from chatapp.xray import attention as attentions
from chatapp.xray.blocks import causal

FEWEST = 3
"""Tokens: before the third one, the first, the previous and the token itself are not three different ones."""


def by_layer(model: PreTrainedModel, ids: Sequence[int]) -> list[dict[str, float]]:
    """Of each layer {itself, previous, first, entropy}, of an encoder {next, last} too: means over heads and over tokens.

    Tokens before the third are left out. Shares of 1; entropy in bits. Raises ChatError for fewer than FEWEST tokens.
    """
    if len(ids) < FEWEST:
        raise ChatError(f"At least {FEWEST} tokens are needed to tell itself, the previous and the first apart; this text has {len(ids)}.")
    layers = range(model.config.get_text_config().num_hidden_layers)
    if attentions.uses_eager(model):
        attentions.refuse_large(attentions.cost(model, len(ids), layers))  # eager attention holds all layers at once
    found = attentions.each(model, ids, layers, partial(measured, one_way=causal(model)))
    return [found[layer] for layer in layers]


def measured(weights: torch.Tensor, *, one_way: bool) -> dict[str, float]:
    """Of one layer's (heads, n, n). `one_way`: tokens see those before them only."""
    seen, count = weights.float()[:, FEWEST - 1 :], weights.shape[-1]
    rows = torch.arange(seen.shape[1], device=seen.device)
    at = rows + FEWEST - 1
    entropy = -torch.xlogy(seen, seen).sum(-1) / math.log(2)
    shares = {"itself": seen[:, rows, at], "previous": seen[:, rows, at - 1], "first": seen[:, :, 0]}
    if not one_way:
        before = rows[:-1]  # the last token has no next one, and is itself the last
        shares |= {"next": seen[:, before, at[:-1] + 1], "last": seen[:, before, count - 1]}
    found = {name: float(share.mean()) if share.numel() else 0.0 for name, share in shares.items()}
    return found | {"entropy": float(entropy.mean())}
