"""Which engine serves a model: remote at an address, batched on CUDA, llamacpp for a GGUF on a CPU, direct elsewhere. Each is imported
only when it is chosen."""

import importlib.util
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models.info import gguf_info
from chatapp.models.loading import load, load_tokenizer, local_gguf, pick_device
from chatapp.models.quantization import refuse_quantization
from chatapp.models.remembered import remember
from chatapp.models.sources import refuse_remote
from chatapp.prompt import template

if TYPE_CHECKING:
    from chatapp.engines.base import Engine
    from chatapp.models.gguf import GgufFile
    from chatapp.models.sources import Source
    from chatapp.settings import Settings
    from chatapp.tasks import Progress

GPU_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""NVIDIA, Windows' Linux, AMD. Without any of these there is no need to import torch to look for a GPU."""


def open_engine(source: "Source", settings: "Settings", progress: "Progress") -> "Engine":
    """Load `source` into the engine that fits it. Raises ChatError when it cannot be loaded or the engine asked for cannot serve it."""
    if source.server:
        return _remote(source, settings, progress)
    engine = {"direct": _direct, "batched": _batched, "llamacpp": _llamacpp}[choose(source, settings)](source, settings, progress)
    remember(source.folder or source.gguf, engine.info.revision, settings.data_dir)
    if engine.tokenizer is not None:
        template.prepare(engine.tokenizer)
    return engine


def improvement(engine: "Engine") -> Iterator[float] | None:
    """Makes what lets the next engine of the same model be quicker, a step at a time: yields the share that is done.

    None where there is nothing to be made. Closing it leaves everything as it was.
    """
    make = getattr(engine, "improvement", None)
    return make() if make else None


def importing(engine: str) -> None:
    """Import the packages that an engine needs, before its model is weighed: they are taken once, for all models."""
    import transformers

    if engine == "llamacpp":
        transformers.PreTrainedTokenizerFast  # noqa: B018  imported when it is looked at
    else:
        transformers.AutoModelForCausalLM  # noqa: B018
        importlib.import_module(f"chatapp.engines.{engine}.engine")


def served_bytes(source: "Source", file: "GgufFile", settings: "Settings") -> int:
    """Bytes of the weights that llama.cpp will read for this file: of a copy in a better format, where there is one."""
    from chatapp.engines.llamacpp.better_kind import better_kind
    from chatapp.engines.llamacpp.marked_copy import remade_copy
    from chatapp.engines.llamacpp.native import uses_amx

    copy = remade_copy(file, settings.data_dir, better_kind(source, file.kind, amx=uses_amx()))
    return copy.stat().st_size if copy else file.weight_bytes


def choose(source: "Source", settings: "Settings") -> str:
    """The engine's name, of a model that runs here. Raises ChatError when --engine asks for one that cannot serve it."""
    refuse_remote(source)
    if settings.quantization != "none":
        refuse_quantization(settings, device_type(settings))
    if settings.engine == "llamacpp":
        _refuse_llamacpp(source)
    if settings.engine != "auto":
        return settings.engine
    device = device_type(settings)
    if device == "cuda":
        return "batched"
    return "llamacpp" if device == "cpu" and source.is_gguf and _has_llamacpp() else "direct"


def device_type(settings: "Settings") -> str:
    """'cpu', 'cuda' or 'mps'. torch, which takes seconds to import, is asked only where there may be an accelerator."""
    if settings.device != "auto":
        return settings.device.split(":")[0]
    if sys.platform == "linux" and not any(Path(p).exists() for p in GPU_DRIVERS):
        return "cpu"
    return str(pick_device(settings)).split(":")[0]


def _refuse_llamacpp(source: "Source") -> None:
    if not source.is_gguf:
        raise ChatError(f"--engine llamacpp runs GGUF files, and {source.name} is none. Leave --engine out, or name a .gguf file.")
    if not _has_llamacpp():
        raise ChatError("--engine llamacpp needs the package xllamacpp, which is not installed. Install it, or use --engine direct.")


def _has_llamacpp() -> bool:
    return importlib.util.find_spec("xllamacpp") is not None


def _remote(source: "Source", settings: "Settings", progress: "Progress") -> "Engine":
    from chatapp.engines.remote.engine import RemoteEngine

    return RemoteEngine(source.server, settings, progress)


def _direct(source: "Source", settings: "Settings", progress: "Progress") -> "Engine":
    from chatapp.engines.direct.engine import DirectEngine

    return DirectEngine(load(source, settings, progress), settings)


def _batched(source: "Source", settings: "Settings", progress: "Progress") -> "Engine":
    from chatapp.engines.batched.engine import BatchedEngine
    from chatapp.engines.direct.engine import DirectEngine

    loaded = load(source, settings, progress)
    try:
        return BatchedEngine(loaded, settings)
    except ChatError:
        if settings.engine == "batched":
            raise
        progress("This model cannot be served in batches; one reply at a time", None)
        return DirectEngine(loaded, settings)


def _llamacpp(source: "Source", settings: "Settings", progress: "Progress") -> "Engine":
    from chatapp.engines.llamacpp.better_kind import better_kind
    from chatapp.engines.llamacpp.engine import LlamaCppEngine
    from chatapp.engines.llamacpp.native import uses_amx

    gguf, revision = local_gguf(source, progress)
    info = gguf_info(gguf, source.name, revision)
    tokenizer = partial(load_tokenizer, source, settings, progress)
    return LlamaCppEngine(gguf, tokenizer, info, settings, progress, better_kind(source, info.dtype, amx=uses_amx()))
