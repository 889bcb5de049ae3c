"""What a model is made of: its module tree, its blocks, its embeddings and how it knows positions."""

import math
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from chatapp.models.memory import kv_bytes_per_token, kv_shape


def tree(module: nn.Module, name: str = "", depth: int = 8) -> dict[str, Any]:
    """The module tree as plain data: name, class, own parameters with shapes, numbers below. Equal neighbours (blocks) are folded.

    parameters counts every weight once, tied ones included once; memory is bytes.
    """
    children = [tree(child, child_name, depth - 1) for child_name, child in module.named_children()] if depth else []
    distinct = {p.data_ptr() or id(p): p for p in module.parameters()}
    return {
        "name": name,
        "kind": type(module).__name__,
        "detail": module.extra_repr(),
        "own": {
            n: {"shape": list(p.shape), "dtype": str(p.dtype).removeprefix("torch.")} for n, p in module.named_parameters(recurse=False)
        },
        "parameters": sum(p.numel() for p in distinct.values()),
        "memory": sum(p.nbytes for p in distinct.values()),
        "children": folded(children),
    }


def folded(children: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs of children that differ only in name become one entry with `times`: 30 equal blocks read as one × 30."""
    out: list[dict[str, Any]] = []
    for child in children:
        if out and shape_of(out[-1]) == shape_of(child):
            out[-1]["times"] += 1
            out[-1]["last"] = child["name"]
        else:
            out.append(child | {"times": 1, "last": child["name"]})
    return out


def shape_of(entry: dict[str, Any]) -> tuple:
    """What makes two modules alike: class, own shapes, and the same of their children; not the name."""
    own = tuple(tuple(p["shape"]) for p in entry["own"].values())
    return entry["kind"], own, tuple((shape_of(c), c["times"]) for c in entry["children"])


def summary(model: PreTrainedModel, found: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a model: layers, heads, widths, vocabulary, parameters with tied weights once and twice, bytes of KV per token.

    `found` are its `positions`.
    """
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    kv_heads, head_dim = kv_shape(config)
    return {
        "kind": type(model).__name__,
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "feed_forward": feed_forward_width(config),
        "heads": heads,
        "kv_heads": kv_heads,
        "head_dim": head_dim,
        "vocabulary": config.vocab_size,
        "context": getattr(config, "max_position_embeddings", None),
        "dtype": str(model.dtype).removeprefix("torch."),
        "parameters": model.num_parameters(),
        "parameters_with_ties": sum(p.numel() for _, p in model.named_parameters(remove_duplicate=False)),
        "memory": sum(p.nbytes for p in model.parameters()),
        "kv_bytes_per_token": kv_bytes_per_token(config, model.dtype),
        "positions": found,
    }


def feed_forward_width(config) -> int:
    """The inner width of the MLP, under the names families give it; GPT-2 leaves it out when it is 4 × hidden."""
    return getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * config.hidden_size


def positions(model: PreTrainedModel) -> dict[str, Any]:
    """How the model knows where a token stands: a learned table (GPT-2), or rotation of queries and keys (RoPE) with its frequencies."""
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq"):
            frequencies = buffer.float()
            return {
                "kind": "rotary",
                "frequencies": frequencies.tolist(),
                "wavelengths": [2 * math.pi / f for f in frequencies.tolist() if f > 0],
            }
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.rsplit(".", 1)[-1] in ("wpe", "embed_positions", "position_embeddings"):
            return {"kind": "learned", "table": name, "shape": list(module.weight.shape)}
    return {"kind": "other"}


def neighbours(model: PreTrainedModel, token_id: int, tokenizer, top: int = 10) -> list[dict[str, Any]]:
    """The tokens whose input embeddings point the same way: cosine similarity over the whole vocabulary."""
    table = model.get_input_embeddings().weight
    with torch.inference_mode():
        own = table[token_id].float()
        similarity = nn.functional.cosine_similarity(table.float(), own[None], dim=-1)
        similarity[token_id] = -2.0
        best, ids = similarity.topk(min(top, len(similarity) - 1))
    return [{"id": int(i), "text": tokenizer.decode([int(i)]), "cosine": float(s)} for i, s in zip(ids, best, strict=True)]
