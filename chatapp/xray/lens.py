"""Logit lens: what each layer would answer if it were the last one (nostalgebraist, 2020), for any decoder."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

NORMS = ("norm", "ln_f", "final_layernorm", "final_layer_norm")


def final_norm(decoder: nn.Module) -> nn.Module:
    """The decoder's last norm under whichever name its family gives it; identity where it has none."""
    for name in NORMS:
        found = getattr(decoder, name, None)
        if isinstance(found, nn.Module):
            return found
    return nn.Identity()


def read_out(model: PreTrainedModel, hidden: torch.Tensor, *, normed: bool) -> torch.Tensor:
    """Hidden states (n, d) → logits (n, vocabulary) through the model's own norm and head. The last hidden state is normed already."""
    states = hidden if normed else final_norm(model.get_decoder())(hidden)
    logits = model.get_output_embeddings()(states).float()
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits


def lens(model: PreTrainedModel, ids: Sequence[int], positions: Sequence[int], tokenizer, top: int = 5) -> dict[str, Any]:
    """For each asked position, every layer's `top` candidates with probabilities, and the probability and rank of the token that came next.

    Layer 0 is the embedding; the last layer equals the model's own logits.
    """
    tensor = torch.tensor([list(ids)], device=model.device)
    with torch.inference_mode():
        hidden = model(tensor, use_cache=False, logits_to_keep=1, output_hidden_states=True).hidden_states
        layers = [
            layer_view(model, states[0, list(positions)], n == len(hidden) - 1, ids, positions, top) for n, states in enumerate(hidden)
        ]
    names = {str(i): tokenizer.decode([i]) for view in layers for row in view for i, _ in row["top"]}
    return {"positions": list(positions), "layers": layers, "names": names}


def layer_view(
    model: PreTrainedModel, states: torch.Tensor, last: bool, ids: Sequence[int], positions: Sequence[int], top: int
) -> list[dict]:
    """One layer's candidates at each position."""
    probabilities = read_out(model, states, normed=last).softmax(-1)
    rows = []
    for row, position in zip(probabilities, positions, strict=True):
        values, tokens = row.topk(top)
        following = ids[position + 1] if position + 1 < len(ids) else None
        rows.append(
            {
                "top": [(int(i), float(p)) for i, p in zip(tokens, values, strict=True)],
                "next": None if following is None else {"p": float(row[following]), "rank": int((row > row[following]).sum()) + 1},
            }
        )
    return rows
