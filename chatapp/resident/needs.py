"""What a model will take here, by the engine that would serve it: its sizes come from its files, or from what the Hub lists."""

from dataclasses import replace

from chatapp.engines import choose, importing, served_bytes
from chatapp.models.forecast import Forecast, Sizes, missing, sizes_of, sizes_of_gguf
from chatapp.models.forecast import forecast as forecast_of
from chatapp.models.gguf import read_gguf
from chatapp.models.hub import download, here
from chatapp.models.hub_sizes import listed
from chatapp.models.loading import pick_device, pick_dtype, read_config
from chatapp.models.memory import free_bytes
from chatapp.models.quantization import SHRINKS
from chatapp.models.shape import shape_of
from chatapp.models.sources import Source
from chatapp.models.weights import inspect
from chatapp.settings import Settings
from chatapp.tasks import Progress

ENOUGH = 2048
"""Tokens each that other models leave memory for, where --context names no number."""


def forecast(source: Source, settings: Settings, tokens: int = ENOUGH) -> Forecast:
    """What a model will take, by its headers; of one that is not on this machine, by what the Hub lists. Raises ChatError.

    `tokens` each are counted where --context names no number, and the model allows so many.
    """
    packages = {name: missing(name) for name in ("direct", "batched", "llamacpp")}  # first: what follows imports some of them
    engine = choose(source, settings)
    device = pick_device(settings) if engine != "llamacpp" else "cpu"
    sizes = _sizes(source, engine, settings, device)
    return forecast_of(engine, sizes, settings.concurrency, settings.context or tokens, free_bytes(device), device, packages[engine])


def _sizes(source: Source, engine: str, settings: Settings, device: str) -> Sizes:
    """As the engine will hold it."""
    itemsize = 2 if engine == "llamacpp" else pick_dtype(settings, device)[0].itemsize
    place = here(source)
    if place is None:
        sizes = listed(source, itemsize)
    elif place.is_file():
        file = read_gguf(place)
        weights = served_bytes(source, file, settings) if engine == "llamacpp" else file.parameters * itemsize
        sizes = sizes_of_gguf(weights, file, itemsize)
    else:
        weights = inspect(place).bytes_as(itemsize)  # first: what no configuration may say is refused there
        sizes = sizes_of(weights, shape_of(read_config(place, source.name).to_dict()), itemsize)
    share = SHRINKS[settings.quantization]
    return replace(sizes, weights=int(sizes.weights * share), read=int(sizes.read * share))


def prepare(source: Source, settings: Settings, progress: Progress) -> None:
    """Before a model is weighed: its files, and the packages that its engine needs, are here. Raises ChatError."""
    if not (source.folder or source.gguf):
        download(source, progress)
    importing(choose(source, settings))
