"""Which model a name stands for: one that is loaded, for everybody; any on this machine, for the person at it. Nothing is loaded here."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models.files.folder import opened
from chatapp.models.purpose import reads_whole
from chatapp.models.sources import Source, resolve
from chatapp.resident.load_check import on_this_machine
from chatapp.settings import Settings

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot

MOST = 2
"""Models side by side."""


@dataclass(frozen=True)
class Found:
    """A model on this machine.

    asked    how it was named
    place    its folder or .gguf file
    encoder  it reads a whole text at once and writes none, so that each token sees those behind it too
    slot     where the manager knows it, in memory or not
    """

    asked: str
    source: Source
    place: Path
    encoder: bool
    slot: "ModelSlot | None" = None

    @property
    def name(self) -> str:
        return self.source.name


async def find(models: "ModelManager", name: str, *, local: bool) -> Found:
    """The model of this name. Raises ChatError 404 for one that is not here, or that is not the asker's to see: both read the same."""
    if slot := ready(models, name):
        return replace(await asyncio.to_thread(located, slot.settings), asked=name, slot=slot)
    if not local:
        loaded = ", ".join(slot.id for slot in models.slots() if slot.state == "ready") or "none"
        raise ChatError(f"{name!r} is not loaded here. Loaded are: {loaded}. Others are loaded by the person at this machine.", status=404)
    found = await asyncio.to_thread(located, models.settings.model_copy(update={"model": name, "revision": ""}))
    return replace(found, slot=models.get(await asyncio.to_thread(getattr, found.source, "id")))


def ready(models: "ModelManager", name: str) -> "ModelSlot | None":
    """The loaded model of this name."""
    try:
        slot = models.find(name)
    except ChatError:
        return None
    return slot if slot.state == "ready" else None


def located(settings: Settings) -> Found:
    """Where a model lies. Raises ChatError for a name that stands for none, and for one of the Hub that was not fetched."""
    source = on_this_machine(resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir))
    place = source.folder or source.gguf
    return Found(settings.model, source, place, is_encoder(place))


def is_encoder(place: Path) -> bool:
    """By its config.json."""
    return place.is_dir() and reads_whole(opened(place).maybe("config.json"))


def refuse_count(names: list[str]) -> None:
    """Raises ChatError for no model, or more than MOST."""
    if not 0 < len(names) <= MOST:
        raise ChatError(f"{len(names)} models were named; a text is shown through 1 or {MOST}.", status=422)
