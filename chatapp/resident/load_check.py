"""Will a model load here, on what, in how much memory, how fast? Everything that loading refuses, found without reading a weight."""

import time
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from chatapp.engines import choose
from chatapp.errors import ChatError
from chatapp.models.gguf import read_gguf
from chatapp.models.hub import no_progress
from chatapp.models.loading import examine, pick_device, pick_dtype
from chatapp.models.memory import SHORTEST, USUAL, Forecast, gigabytes
from chatapp.models.sources import Source
from chatapp.resident.budget import forecast, refusal
from chatapp.settings import Settings

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
        source = here(source)
        engine = choose(source, settings)
        if source.folder:
            examine(source.folder, source.name)
        found = forecast(source, settings, no_progress, USUAL)
    except ChatError as error:
        return LoadCheck(source.name, str(error))
    speed = bandwidth() / found.weights if found.device == "cpu" else None
    facts = [("Engine", engine), ("Number format", number_format(source, engine, settings)), ("Memory", str(found))]
    if speed:
        read = f"each reads all weights once, and the memory gave one thread {gigabytes(bandwidth())} a second"
        facts.append(("Speed", f"about {speed:,.0f} tokens a second, if nothing else runs: {read}"))
    least = forecast(source, settings, no_progress, SHORTEST)
    refused = str(refusal(source.name, least, least.free, [])) if least.required > least.free else ""
    return LoadCheck(source.name, refused, facts, found, speed)


def here(source: Source) -> Source:
    """The same with its folder or file on this machine; the Hub is not asked. Raises ChatError where it was not fetched."""
    from huggingface_hub import try_to_load_from_cache

    if source.folder or source.gguf:
        return source
    known = try_to_load_from_cache(source.repo, source.file or "config.json", revision=source.revision or None)
    if not isinstance(known, str):
        raise ChatError(f"{source.name} is not on this machine. Fetch it: python app.py models download {source.name}.", status=404)
    return replace(source, gguf=Path(known)) if source.file else replace(source, folder=Path(known).parent)


def number_format(source: Source, engine: str, settings: Settings) -> str:
    """In which numbers the weights are held, and why."""
    if engine == "llamacpp" and source.gguf:
        return f"{read_gguf(source.gguf).kind}, as the file has it"
    device = pick_device(settings)
    dtype, reason = pick_dtype(settings, device)
    return f"{str(dtype).removeprefix('torch.')} on {device}: {reason}"


@cache
def bandwidth() -> float:
    """Bytes a second that the memory gives one thread, measured by copying, which reads and writes."""
    source, target = bytearray(MEASURED_BYTES), bytearray(MEASURED_BYTES)
    return 2 * MEASURED_BYTES / min(_copied(source, target) for _ in range(3))


def _copied(source: bytearray, target: bytearray) -> float:
    begun = time.perf_counter()
    target[:] = source
    return time.perf_counter() - begun
