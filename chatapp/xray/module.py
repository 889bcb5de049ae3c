"""The module X-ray looks through: its own, sharing the weights of the resident model, so that a chat in flight is never disturbed."""

from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from chatapp.models.alone import alone
from chatapp.models.attention import NAME

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@alone
def twin(model: "PreTrainedModel") -> "PreTrainedModel":
    """A second module over the same weights with the recording attention; costs the buffers, not the parameters."""
    config = type(model.config).from_dict(model.config.to_dict())
    with torch.device("meta"):
        other = build(config, model.dtype)
    other.load_state_dict(model.state_dict(), assign=True)
    other.tie_weights()
    share_buffers(model, other)
    return other.eval().requires_grad_(False)


def share_buffers(model: nn.Module, other: nn.Module) -> None:
    """Buffers that no state dict carries (rotary frequencies) are still on `meta`: take the model's own."""
    for name, buffer in model.named_buffers():
        owner, _, leaf = name.rpartition(".")
        other.get_submodule(owner).register_buffer(leaf, buffer, persistent=False)


def build(config, dtype: torch.dtype) -> "PreTrainedModel":
    """Recording attention where the model asks the attention interface, else eager: bloom takes any name and computes its own way."""
    made = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=NAME)
    if made._supports_attention_backend:
        return made
    return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")


def remarks(model: "PreTrainedModel") -> list[str]:
    """What is special about how this model's attention is read, in words."""
    cap = getattr(model.config.get_text_config(), "attn_logit_softcapping", None)
    if model.config._attn_implementation == "eager":
        return ["eager attention: this model has no interface to record it"]
    return [f"scores soft-capped at {cap:g}: attention computed as eager does"] if cap else []
