"""A source → a resident model and its tokenizer, on the right device in the right dtype, with the reason in words.

Only safetensors, never code from a repository. What cannot be loaded ends in one ChatError with its cure; a missing, gated, damaged, too
large or non-chat model is told apart before any weight is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models import weights
from chatapp.models.alone import alone
from chatapp.models.convert import convert_gguf, convert_tokenizer, progress_bars_to
from chatapp.models.cpu import cpu_flags
from chatapp.models.failures import FAILURES, Reading, first_line
from chatapp.models.hub import download, no_progress
from chatapp.models.identity import revision_of
from chatapp.models.info import ModelInfo, context_of
from chatapp.models.memory import HEADROOM, free_memory, gigabytes
from chatapp.models.purpose import GENERATES
from chatapp.models.quantization import SHRINKS, in_words, quantization, refuse_quantization
from chatapp.models.sources import Source, refuse_remote
from chatapp.models.tokenizer import read_plain_tokenizer, read_tokenizer
from chatapp.settings import Settings
from chatapp.tasks import Progress

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["Loaded", "context_of", "fetch", "load", "load_tokenizer", "local_gguf", "pick_device", "pick_dtype", "read_config"]

MOST_DESCRIBED = 2
"""Times the weights in the files: a table of words that input and output share is in them once."""

CPU_BF16 = ("amx_bf16", "avx512_bf16")
"""Flags of /proc/cpuinfo. Without these units bfloat16 is emulated: measured several times slower than float32."""


@dataclass(frozen=True)
class Loaded:
    """A resident model. `model` is in eval mode; `folder` is where its files lie."""

    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    info: ModelInfo
    folder: Path


def load(source: Source, settings: Settings, progress: Progress = no_progress) -> Loaded:
    """Fetch or convert if needed, check, load. Takes seconds to minutes; raise tasks.Cancelled in `progress` to end it."""
    device = pick_device(settings)
    dtype, reason = pick_dtype(settings, device)
    refuse_quantization(settings, device)

    def check(found: weights.Weights) -> None:
        needed = found.bytes_as(dtype.itemsize) * SHRINKS[settings.quantization]
        _check_memory(source.name, needed, device, several=_several(settings))

    folder, revision = fetch(source, settings, progress, check)
    check(found := weights.inspect(folder))
    config = read_config(folder, source.name)
    check_description(config, found, source.name)
    tokenizer = read_tokenizer(folder, source.name)
    progress(f"Loading {source.name}", 0.0)
    model = _model(folder, source.name, dtype, "auto" if _several(settings) else {"": device}, quantization(settings, dtype), progress)
    where = ", ".join(sorted({str(d) for d in getattr(model, "hf_device_map", {}).values()})) if _several(settings) else device
    info = ModelInfo(
        source.name,
        revision,
        model.num_parameters(),
        context_of(config),
        where,
        str(model.dtype).removeprefix("torch."),
        in_words(settings, reason),
    )
    return Loaded(model, tokenizer, info, folder)


def examine(folder: Path, name: str) -> tuple[weights.Weights, "PretrainedConfig"]:
    """What a folder holds, after everything that `load` refuses before it reads a weight. Raises ChatError."""
    found = weights.inspect(folder)
    config = read_config(folder, name)
    check_description(config, found, name)
    read_tokenizer(folder, name)
    return found, config


def load_tokenizer(source: Source, settings: Settings, progress: Progress = no_progress) -> "PreTrainedTokenizerBase":
    """The tokenizer alone: half a second for a GGUF seen for the first time, a quarter later. Downloads a Hub model's files."""
    refuse_remote(source)
    if source.is_gguf:
        return read_plain_tokenizer(convert_tokenizer(local_gguf(source, progress)[0], settings.data_dir, progress), source.name)
    return read_tokenizer(source.folder or download(source, progress)[0], source.name)


def fetch(
    source: Source, settings: Settings, progress: Progress = no_progress, check: Callable[[weights.Weights], None] | None = None
) -> tuple[Path, str]:
    """(folder with config.json, safetensors and tokenizer, revision). A GGUF is converted, a Hub model downloaded once `check` allows."""
    refuse_remote(source)
    if source.is_gguf:
        gguf, revision = local_gguf(source, progress)
        return convert_gguf(gguf, settings.data_dir, progress), revision
    if source.folder is not None:
        return source.folder, revision_of(source.folder)
    return download(source, progress, check)


def local_gguf(source: Source, progress: Progress = no_progress) -> tuple[Path, str]:
    """(the .gguf file on this machine, revision) of a GGUF source; one on the Hub is downloaded."""
    if source.gguf is not None:
        return source.gguf, source.revision or revision_of(source.gguf)
    folder, revision = download(source, progress)
    return folder / source.file, revision


def pick_device(settings: Settings) -> str:
    """'cuda', 'cuda:1', 'mps' or 'cpu'. Raises ChatError for a device this machine or this build of PyTorch lacks."""
    import torch

    wanted = settings.device
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, number = wanted.partition(":")
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}.get(kind)
    if count is None or not (number == "" or (kind == "cuda" and number.isdigit())):
        raise ChatError(f"Device {wanted!r} is unknown. Give auto, cpu, cuda, cuda:N or mps.")
    if int(number or 0) >= count:
        build = (
            " This PyTorch is built for the CPU only."
            if kind == "cuda" and torch.version.cuda is None and torch.version.hip is None
            else ""
        )
        raise ChatError(f"Device {wanted} is not there: {count} of its kind were found.{build} Use --device auto.")
    return wanted


def _several(settings: Settings) -> bool:
    """More than one GPU, and no single one asked for: accelerate spreads the layers."""
    import torch

    return settings.device in ("auto", "cuda") and torch.cuda.device_count() > 1


def pick_dtype(settings: Settings, device: str) -> tuple["torch.dtype", str]:
    """(dtype of the weights, why in words)."""
    import torch

    if settings.dtype != "auto":
        return getattr(torch, settings.dtype), "asked for by --dtype"
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return torch.bfloat16, "this GPU computes bfloat16"
        return torch.float16, "this GPU has no bfloat16 units"
    if device == "mps":
        return torch.float16, "Apple GPUs compute float16 fastest"
    unit = next((flag for flag in CPU_BF16 if flag in cpu_flags()), None)
    if unit:
        return torch.bfloat16, f"this CPU has bfloat16 units ({unit})"
    return torch.float32, "this CPU has no bfloat16 units, which would make bfloat16 slow"


def _check_memory(name: str, needed: int, device: str, *, several: bool) -> None:
    """Compare before reading: running out of memory half way may kill the process without a word."""
    free, where = _free(device, several)
    if needed * HEADROOM > free:
        raise ChatError(
            f"{name} is too large: its weights need {gigabytes(needed * HEADROOM)} and {gigabytes(free)} are free {where}. "
            "Choose a smaller model, or a quantized GGUF of it."
        )


def _free(device: str, several: bool) -> tuple[int, str]:
    import torch

    if device.startswith("cuda"):
        places = range(torch.cuda.device_count()) if several else [torch.device(device)]
        return sum(torch.cuda.mem_get_info(p)[0] for p in places), f"on {len(places)} GPUs" if several else f"on {device}"
    if device == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory(), "for the GPU"
    return free_memory(), "in memory"


def read_config(folder: Path, name: str) -> "PretrainedConfig":
    """The configuration of a model that writes text. Raises ChatError for encoders, classifiers, and models that bring their own code."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (*FAILURES, StrictDataclassError) as error:
        if "auto_map" in (folder / "config.json").read_text(encoding="utf-8"):
            raise ChatError(f"{name} needs Python code from its repository, which this app never runs. Choose another model.") from error
        raise ChatError(f"{name} cannot be loaded: {first_line(error)} A newer transformers may know it.") from error
    named = config.architectures or []
    writes = not named or any(a.endswith(GENERATES) for a in named)
    if config.is_encoder_decoder or not writes or type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        what = named[0] if named else config.model_type
        raise ChatError(f"{name} is no chat model: it is a {what}, which does not write text. Choose a text-generation model.")
    return config


def check_description(config: "PretrainedConfig", found: weights.Weights, name: str, kind: str = "AutoModelForCausalLM") -> None:
    """What a configuration describes and no file holds would be made up, in memory that nobody has looked at."""
    described = 0 if getattr(config, "quantization_config", None) else _described(config, name, kind)  # packed ones are counted otherwise
    held = sum(found.counts.values())
    if described > MOST_DESCRIBED * held:
        size = gigabytes(found.bytes_as(4) * described / max(1, held))
        raise ChatError(
            f"{name} cannot be loaded: its config.json describes a model of {described:,} weights ({size} as float32), and its files hold "
            f"{held:,}. Fetch it again."
        )


@alone
def _described(config: "PretrainedConfig", name: str, kind: str) -> int:
    """Number of weights of the model that a configuration describes, built without memory: 0.1 s for 80 layers."""
    import torch
    import transformers

    with Reading(f"{name} cannot be loaded: its config.json describes no model: "), torch.device("meta"):
        model = getattr(transformers, kind).from_config(config, trust_remote_code=False)
    return sum(parameter.numel() for parameter in model.parameters())


@alone
def _model(folder: Path, name: str, dtype: "torch.dtype", device_map: Any, quantized: Any, progress: Progress) -> "PreTrainedModel":
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    try:
        with progress_bars_to(f"Loading {name}", progress, weights.tensor_bytes(folder)):
            model, report = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                device_map=device_map,
                quantization_config=quantized,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except torch.OutOfMemoryError as error:
        raise ChatError(f"{name} does not fit: {first_line(error)} Choose a smaller model.") from error
    except (*FAILURES, SafetensorError) as error:
        raise ChatError(f"{name} cannot be loaded: {first_line(error)}") from error
    if missing := sorted(report["missing_keys"]):
        raise ChatError(f"{name} is incomplete: {len(missing)} of its weights are in no file, first {missing[0]}. Fetch it again.")
    return model.eval()
