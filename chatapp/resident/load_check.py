"""Will a model load here, on what, in how much memory, how fast? Everything that loading refuses, found without reading a weight."""

from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from chatapp.engines import choose
from chatapp.engines.bandwidth import ceiling, measure
from chatapp.errors import ChatError
from chatapp.models.forecast import Forecast
from chatapp.models.gguf import read_gguf
from chatapp.models.hub import here
from chatapp.models.identity import ModelId, revision_of
from chatapp.models.loading import examine, pick_device, pick_dtype
from chatapp.models.memory import SHORTEST, USUAL
from chatapp.models.sources import Source, refuse_remote
from chatapp.resident.budget import refusal
from chatapp.resident.needs import forecast
from chatapp.resident.weighed import speed_words
from chatapp.settings import Settings
from chatapp.store.speeds import in_words, recorded


@dataclass(frozen=True)
class LoadCheck:
    """`refused`: why it will not load, '' where nothing speaks against it; `facts` as [name, words]; numbers in bytes.

    `measured`: tokens a second of the latest replies that it wrote here.
    """

    name: str
    refused: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    forecast: Forecast | None = None
    tokens_per_second: float | None = None
    measured: tuple[float, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        found = self.forecast
        memory = found and {
            "weights": found.weights,
            "kv_cache": found.cache,
            "work": found.work,
            "packages": found.runtime,
            "context": found.context,
            "free": found.free,
        }
        speed = self.tokens_per_second and round(self.tokens_per_second, 1)
        answer = {"name": self.name, "loads": not self.refused, "refused": self.refused, "memory": memory, "tokens_per_second": speed}
        return answer | {"measured_tokens_per_second": round(median(self.measured), 1) if self.measured else None, "facts": self.facts}


def check(source: Source, settings: Settings) -> LoadCheck:
    """Of a model that is on this machine. What speaks against it is in `refused`; nothing is raised for that."""
    try:
        source = on_this_machine(source)
        found = forecast(source, settings, USUAL)
        engine = choose(source, settings)
        if source.folder:
            examine(source.folder, source.name)
    except ChatError as error:
        return LoadCheck(source.name, str(error))
    bandwidth = measure(settings.data_dir) if found.device == "cpu" and found.read else 0
    speed = ceiling(bandwidth, found.read, found.per_token) if bandwidth else None
    facts = [("Engine", engine), ("Number format", number_format(source, engine, settings)), ("Memory", str(found))]
    if speed:
        facts.append(("Speed", speed_words(found, bandwidth)))
    written = recorded(settings, known_as(source), engine)
    facts += [("Written", in_words(written))] if written else []
    least = forecast(source, settings, SHORTEST)
    refused = str(refusal(source.name, least, least.free, [])) if least.required > least.free else ""
    return LoadCheck(source.name, refused, facts, found, speed, tuple(written))


def on_this_machine(source: Source) -> Source:
    """The same with its folder or file; the Hub is not asked. Raises ChatError where it was not fetched."""
    refuse_remote(source)
    if (place := here(source)) is None:
        raise ChatError(f"{source.name} is not on this machine. Fetch it: python app.py models download {source.name}.", status=404)
    return replace(source, gguf=place) if place.is_file() else replace(source, folder=place)


def known_as(source: Source) -> ModelId:
    """The name that records have for the weights of a model on this machine."""
    if source.repo and source.folder:
        return ModelId(source.name, source.folder.name)
    return ModelId(source.name, source.revision or revision_of(source.folder or source.gguf))


def number_format(source: Source, engine: str, settings: Settings) -> str:
    """In which numbers the weights are held, and why."""
    if engine == "llamacpp" and source.gguf:
        return f"{read_gguf(source.gguf).kind}, as the file has it"
    device = pick_device(settings)
    dtype, reason = pick_dtype(settings, device)
    return f"{str(dtype).removeprefix('torch.')} on {device}: {reason}"
