"""--quantization: linear layers in 8 or 4 bits by bitsandbytes, while a model loads on an NVIDIA GPU. Not measured on any GPU by us.

bitsandbytes and not torchao, until `make gpu-check` has measured: it installs without compiling, and `transformers serve` takes it too.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError

if TYPE_CHECKING:
    import torch

    from chatapp.settings import Settings

SHRINKS = {"none": 1.0, "int8": 0.55, "int4": 0.35}
"""Share of the 16-bit weights that is left: linear layers shrink to a half or a quarter, embeddings, norms and scales do not."""


def quantization(settings: "Settings", dtype: "torch.dtype") -> Any:
    """What from_pretrained takes as `quantization_config`; None for none."""
    if settings.quantization == "none":
        return None
    from transformers import BitsAndBytesConfig

    if settings.quantization == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)


def refuse_quantization(settings: "Settings", device: str) -> None:
    """Raises ChatError where --quantization cannot be had: off an NVIDIA GPU, or without its package."""
    if settings.quantization == "none":
        return
    if not device.startswith("cuda"):
        raise ChatError(
            f"--quantization {settings.quantization} needs an NVIDIA GPU, and the model goes to {device}: there its "
            "layers would be unpacked at every step. Take a quantized GGUF there (--model repo:file.gguf), or leave --quantization out."
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise ChatError("--quantization needs the package bitsandbytes: pip install -r requirements-gpu.txt.")


def in_words(settings: "Settings", reason: str) -> str:
    """Why this dtype, and what the linear layers are kept in."""
    if settings.quantization == "none":
        return reason
    return f"{reason}; linear layers in {settings.quantization}, asked for by --quantization (speed and quality not measured by us)"
