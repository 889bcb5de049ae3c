"""The models that a text is shown through: those of the app by X-ray's bench, encoders, which no engine serves, beside them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.models.encoders import load_encoder, needs
from chatapp.models.memory import free_memory, gigabytes, weight_bytes
from chatapp.resident.copies import Unserved
from chatapp.resident.needs import forecast
from chatapp.resident.slot import ModelSlot, arriving
from chatapp.settings import Settings
from chatapp.tasks import Progress, Step
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel, in_full_numbers, why_not_load
from chatapp.xray.steps import Result
from chatapp.xray.text.which import Found


class NotInMemory(ChatError):
    """A model that has to be loaded first; `offer` is how it was named, for a button that loads it."""

    def __init__(self, found: Found, takes: str) -> None:
        super().__init__(f"{found.name} is not loaded. {takes}", status=409)
        self.offer = found.asked


class TextModels:
    """`inspector` has the models of the app, and what stands beside them in memory."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector, self._beside = inspector, inspector.served.copies
        self._one = asyncio.Lock()

    async def inspected(self, found: Found, *, load: bool) -> AsyncIterator[Step | InspectedModel]:
        """Steps while it is prepared, then the model. One that is not in memory is loaded where a person asked for that (`load`).

        Raises NotInMemory otherwise, and ChatError with the numbers where it does not fit.
        """
        work = self._encoder(found, load=load) if found.encoder else self._served(found, load=load)
        async for item in work:
            yield item

    def held(self, place: Path) -> Unserved | None:
        """The encoder of this folder, where it is in memory."""
        return self._beside.find("encoder", place)

    async def _encoder(self, found: Found, *, load: bool) -> AsyncIterator[Step | InspectedModel]:
        if self.held(found.place) is None:
            if not load:
                size, free = await asyncio.to_thread(needs, found.place), free_memory()
                raise NotInMemory(found, f"It is an encoder and takes {gigabytes(size)} of the {gigabytes(free)} that are free.")
            self._demand()
            yield Step(f"Loading {found.name}")
            async for step in self.inspector.awake():
                yield step
        yield await self._read(found)

    async def _read(self, found: Found) -> InspectedModel:
        """One after the other: who asks for the same meanwhile waits for it."""
        async with self._one:
            if kept := self.held(found.place):
                return kept.it
            made = await self.inspector.run(read_encoder, found)
            self._beside.put(Unserved("encoder", found.name, found.place, made, weight_bytes(made.model)))
            return made

    async def _served(self, found: Found, *, load: bool) -> AsyncIterator[Step | InspectedModel]:
        slot = found.slot
        if slot is None or slot.state not in ("ready", "loading"):
            if not load:
                raise NotInMemory(found, await asyncio.to_thread(self._takes, found))
            self._demand()
            loaded: Result[ModelSlot] = Result()
            async for step in loaded.of(self.inspector.load(found.asked, slot)):
                yield step
            slot = loaded.value
        async for step in arriving(slot):
            yield step
        made: Result[InspectedModel] = Result()
        async for step in made.of(self.inspector.inspected(slot.info.id)):
            yield step
        yield made.value

    def _demand(self) -> None:
        """Raises ChatError for everybody but the person at this machine."""
        if reason := why_not_load(self.inspector.served.settings):
            raise ChatError(reason, status=403)

    def _takes(self, found: Found) -> str:
        """What loading it would take, in words."""
        return f"It takes {forecast(found.source, self.inspector.served.settings)}."


def read_encoder(found: Found) -> InspectedModel:
    """On X-ray's thread."""
    loaded = load_encoder(found.place, found.name)
    return InspectedModel(found.name, loaded.info.id, loaded.model, loaded.tokenizer, "an encoder: each token sees all others")


def read_alone(found: Found, settings: Settings, progress: Progress) -> InspectedModel:
    """Without an app around: read from its files in float32. Raises ChatError with the numbers where it does not fit."""
    if found.encoder:
        return read_encoder(found)
    from chatapp.models.loading import load
    from chatapp.xray import module

    loaded = load(found.source, in_full_numbers(settings), progress)
    return InspectedModel(found.name, loaded.info.id, module.twin(loaded.model), loaded.tokenizer, "in float32")
