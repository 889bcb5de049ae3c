"""The module X-ray looks through: its own, sharing the weights of the resident model, so that a chat in flight is never disturbed."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig, AutoModelForCausalLM

from chatapp.errors import ChatError
from chatapp.models.attention import NAME

if TYPE_CHECKING:
    from transformers import PreTrainedModel


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
    """Recording attention where the model has the attention interface, else eager (bloom)."""
    try:
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=NAME)
    except ValueError:
        return AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="eager")


def load(folder: Path) -> "PreTrainedModel":
    """A folder's model in float32 with the recording attention, for X-ray only. Raises ChatError where it is no chat model."""
    config = AutoConfig.from_pretrained(folder)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ChatError(
            f"{folder.name} holds a {config.model_type} model, which does not generate text. X-ray needs a causal language model."
        )
    options = {"dtype": torch.float32, "use_safetensors": True}
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation=NAME, **options)
    except ValueError:
        model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager", **options)
    return model.eval().requires_grad_(False)
