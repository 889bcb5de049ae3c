"""Will a model load here, on what, in how much memory, how fast? Everything that loading refuses, found without reading a weight."""

import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from chatapp.engines import choose
from chatapp.errors import ChatError
from chatapp.models.gguf import read_gguf
from chatapp.models.info import context_of
from chatapp.models.loading import examine, pick_device, pick_dtype
from chatapp.models.memory import HEADROOM, Forecast, free_bytes, gigabytes, kv_bytes_per_token
from chatapp.models.sources import Source
from chatapp.settings import Settings

USUAL = 4096
"""Tokens for which the forecast holds where --context says nothing."""

MEASURED_BYTES = 64 * 2**20


@dataclass(frozen=True)
class LoadCheck:
    """`refused`: why it will not load, '' where nothing speaks against it; `facts` as [name, words]; numbers in bytes."""

    name: str
    refused: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    forecast: Forecast | None = None
    tokens_per_second: float | None = None

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found = self.forecast
        memory = found and {"weights": found.weights, "kv_cache": found.cache, "context": found.context, "free": found.free}
        speed = self.tokens_per_second and round(self.tokens_per_second, 1)
        answer = {"name": self.name, "loads": not self.refused, "refused": self.refused, "memory": memory, "tokens_per_second": speed}
        return answer | {"facts": self.facts}


def check(source: Source, settings: Settings) -> LoadCheck:
    """Of a model that is on this machine. What speaks against it is in `refused`; nothing is raised for that."""
    try:
        place = here(source)
        engine = choose(source, settings)
        found, dtype, reason = _of_gguf(place, settings) if engine == "llamacpp" else _of_torch(place, source.name, settings)
    except ChatError as error:
        return LoadCheck(source.name, str(error))
    speed = bandwidth() / found.weights if engine == "llamacpp" or pick_device(settings) == "cpu" else None
    facts = [("Engine", engine), ("Number format", f"{dtype}: {reason}"), ("Memory", str(found))]
    if speed:
        read = f"each reads all weights once, and the memory gave one thread {gigabytes(bandwidth())} a second"
        facts.append(("Speed", f"about {speed:,.0f} tokens a second, if nothing else runs: {read}"))
    needed = found.weights * HEADROOM + found.cache
    refused = "" if needed <= found.free else _too_large(source.name, needed, found.free)
    return LoadCheck(source.name, refused, facts, found, speed)


def here(source: Source) -> Path:
    """The folder or file on this machine; the Hub is not asked. Raises ChatError where it was not fetched."""
    from huggingface_hub import try_to_load_from_cache

    if place := source.folder or source.gguf:
        return place
    known = try_to_load_from_cache(source.repo, source.file or "config.json", revision=source.revision or None)
    if not isinstance(known, str):
        raise ChatError(f"{source.name} is not on this machine. Fetch it: python app.py models download {source.name}.", status=404)
    return Path(known) if source.file else Path(known).parent


@cache
def bandwidth() -> float:
    """Bytes a second that the memory gives one thread, measured by copying, which reads and writes."""
    source, target = bytearray(MEASURED_BYTES), bytearray(MEASURED_BYTES)
    return 2 * MEASURED_BYTES / min(_copied(source, target) for _ in range(3))


def _copied(source: bytearray, target: bytearray) -> float:
    begun = time.perf_counter()
    target[:] = source
    return time.perf_counter() - begun


def _of_gguf(path: Path, settings: Settings) -> tuple[Forecast, str, str]:
    """As llama.cpp runs it: in the numbers of the file."""
    file = read_gguf(path)
    context = min(settings.context or USUAL, file.context)
    found = Forecast(file.weight_bytes, file.kv_bytes_per_token, 1, context, free_bytes("cpu"))
    return found, file.kind, "the number format of the GGUF file"


def _of_torch(place: Path, name: str, settings: Settings) -> tuple[Forecast, str, str]:
    """As transformers runs it; a GGUF is converted first."""
    device = pick_device(settings)
    dtype, reason = pick_dtype(settings, device)
    if place.is_file():
        file = read_gguf(place)
        size, per_token, most = file.parameters * dtype.itemsize, file.kv_bytes_per_token * dtype.itemsize // 2, file.context
    else:
        found, config = examine(place, name)
        size, per_token, most = found.bytes_as(dtype.itemsize), kv_bytes_per_token(config.get_text_config(), dtype), context_of(config)
    context = min(settings.context or USUAL, most)
    return Forecast(size, per_token, 1, context, free_bytes(device)), str(dtype).removeprefix("torch."), f"on {device}, {reason}"


def _too_large(name: str, needed: float, free: int) -> str:
    return (
        f"{name} is too large: with its KV cache it needs {gigabytes(needed)} and {gigabytes(free)} are free. Choose a smaller model, a "
        "quantized GGUF of it, or a smaller --context."
    )
