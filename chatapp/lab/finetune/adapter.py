"""The LoRA adapter (Hu et al., 2021) by peft: put on a model, kept as peft keeps it, merged into a whole model."""

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from transformers.pytorch_utils import Conv1D

from chatapp.errors import ChatError
from chatapp.models.failures import first_line
from chatapp.models.saving import save_module
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers import PreTrainedTokenizerBase as Tokenizer

NAME = "adapter_model.safetensors"


def attached(model: "PreTrainedModel", rank: int, base: str, revision: str, seed: int) -> PeftModel:
    """On every linear layer but the output's, with scale 2; it changes nothing yet. `base` is what the adapter says it belongs to."""
    torch.manual_seed(seed)
    turned = any(isinstance(layer, Conv1D) for layer in model.modules())  # GPT-2 keeps its matrices the other way round
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM", fan_in_fan_out=turned)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
            made = get_peft_model(model, config)
    except ValueError as error:
        raise ChatError(f"No adapter can be put on this model: {first_line(error)}") from error
    made.peft_config["default"].base_model_name_or_path = base
    made.peft_config["default"].revision = revision or None
    return made


def trainable(model: PeftModel) -> list[Any]:
    """The adapter's own numbers."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def save(model: PeftModel, tokenizer: "Tokenizer", folder: Path) -> None:
    """Raises OSError, or what safetensors has in its place, where the disk is full."""
    model.save_pretrained(folder, save_embedding_layers=False)
    tokenizer.save_pretrained(folder)


def base_of(folder: Path) -> str:
    """The model that an adapter belongs to. Raises ChatError for a folder that holds none."""
    try:
        return json.loads((folder / "adapter_config.json").read_bytes())["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChatError(f"There is no adapter in {folder}: it has no adapter_config.json that can be read.", status=404) from error


def read(model: "PreTrainedModel", folder: Path) -> PeftModel:
    """The adapter in a folder, put on its model. Raises ChatError where it is another's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an older name
            return PeftModel.from_pretrained(model, folder)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise ChatError(f"The adapter in {folder} cannot be put on its model: {first_line(error)}") from error


def merge(model: PeftModel, tokenizer: "Tokenizer", target: Path, tell: Progress) -> None:
    """A whole model in the numbers it was trained in; `model` is no adapter any more. Raises ChatError."""
    tell("Merging the adapter into the model", None)
    whole = model.merge_and_unload()
    try:
        save_module(whole, tokenizer, target, tell)
    except ValueError as error:  # generation_config.json of the base contradicts itself
        raise ChatError(f"The merged model cannot be written: {first_line(error)} The adapter is whole.") from error
