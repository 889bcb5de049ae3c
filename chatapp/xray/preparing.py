"""Making a model that X-ray can look into: over the resident weights where they are in this process, else read anew in float32."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models.identity import ModelId
from chatapp.models.loading import Loaded, load, load_tokenizer
from chatapp.models.memory import weight_bytes
from chatapp.models.remembered import remember
from chatapp.resident.admission import asked_by, asked_here
from chatapp.resident.copies import COPY, Copy
from chatapp.resident.slot import ModelSlot, ended, find_source, in_words
from chatapp.settings import Settings, on_zerogpu
from chatapp.tasks import Cancelled, Step, Task
from chatapp.xray.thread import XrayThread

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from chatapp.engines.base import Engine
    from chatapp.resident.manager import ModelManager

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InspectedModel:
    """A model X-ray can look into. `note` says how it relates to the model that wrote the reply."""

    name: str
    id: ModelId
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    note: str

    @property
    def vocabulary(self) -> int:
        """Ids below this number can be read."""
        return self.model.get_input_embeddings().num_embeddings


@dataclass(frozen=True)
class Preparation:
    """What is being done at this moment for an inspected model, and the model to come."""

    step: Callable[[], Step]
    building: "asyncio.Future[InspectedModel]"


class InspectedModels:
    """Those over the weights of an engine are kept here, X-ray's own copies of weights among the copies of the manager."""

    def __init__(self, thread: XrayThread, served: "ModelManager") -> None:
        self._thread, self._served = thread, served
        # The inspected model of an engine goes with the engine: a switch of the resident model frees its weights.
        self._own: WeakKeyDictionary[Engine, InspectedModel] = WeakKeyDictionary()
        self._preparing: WeakKeyDictionary[Engine, Preparation] = WeakKeyDictionary()

    def ready(self, engine: "Engine") -> InspectedModel | None:
        """That of an engine, once it was made."""
        return self._own.get(engine) or self._served.copies.get(engine)

    async def prepare(self, slot: ModelSlot) -> AsyncIterator[Step | InspectedModel]:
        """Make that of a model in memory, telling how far it is. Who asks meanwhile (the next view) waits for the same."""
        engine = slot.engine
        if made := self.ready(engine):
            yield made
            return
        coming = self.begin(slot, engine, asked_by.get())
        shown = coming.step()
        yield shown
        while not coming.building.done():
            await asyncio.wait([coming.building], timeout=0.2)
            if coming.step() != shown:
                shown = coming.step()
                yield shown
        await asyncio.sleep(0)  # where it was done just as the wait ran out, it is kept first
        yield coming.building.result()

    def begin(self, slot: ModelSlot, engine: "Engine", owner: Owner) -> Preparation:
        """For `owner`, on X-ray's thread, with the settings of now: by the time it is this build's turn, another model may be resident."""
        if known := self._preparing.get(engine):
            return known
        coming = self._shared(engine) if shareable(engine) else self._copied(slot, engine, owner)
        self._preparing[engine] = coming
        coming.building.add_done_callback(lambda _: self._preparing.pop(engine, None))
        return coming

    def clear(self) -> None:
        """Free them all."""
        self._own.clear()
        self._served.copies.clear()

    def _shared(self, engine: "Engine") -> Preparation:
        step = Step(f"Preparing {engine.info.model} for X-ray")
        building = asyncio.ensure_future(self._thread.run(over_resident, engine))

        def settle(done: asyncio.Future[InspectedModel]) -> None:
            if not done.cancelled() and not done.exception():
                self._own[engine] = done.result()

        building.add_done_callback(settle)
        return Preparation(lambda: step, building)

    def _copied(self, slot: ModelSlot, engine: "Engine", owner: Owner) -> Preparation:
        """As a task of `owner`, who asked first: it takes as long as loading the model did, and as much memory, and may be cancelled."""
        slot.house.budget.attach()
        title = f"Load {COPY} of {slot.id}"
        task = slot.house.tasks.begin(owner, "load", title, again=lambda: self.begin(slot, slot.engine, owner))
        building = asyncio.ensure_future(self._thread.run(read_copy, slot, engine, task))

        def settle(done: asyncio.Future[InspectedModel]) -> None:
            error = Cancelled() if done.cancelled() else done.exception()
            if error is None:
                self._served.copies.keep(engine, Copy(slot, done.result(), weight_bytes(done.result().model)))
            elif not isinstance(error, ChatError):
                log.error("X-ray's copy of %s was not made", slot.id, exc_info=error)
            task.end(ended(error), error=in_words(error) if error else "")

        building.add_done_callback(settle)
        return Preparation(lambda: task.step, building)


def over_resident(engine: "Engine") -> InspectedModel:
    """A module of X-ray's own over the weights that the engine holds."""
    from chatapp.xray import module

    model = module.twin(engine.model)
    note = " · ".join([f"the resident {engine.info.dtype} weights", *module.remarks(model)])
    return InspectedModel(engine.info.model, engine.info.id, model, engine.tokenizer, note)


def read_copy(slot: ModelSlot, engine: "Engine", task: Task) -> InspectedModel:
    """The weights once more, where there is room for them."""
    from chatapp.xray import module

    loaded = read_weights(slot, engine, task)
    model = module.twin(loaded.model)
    shipped = f" from the shipped {engine.info.shipped} weights" if engine.info.shipped else ""
    note = " · ".join([f"recomputed in float32{shipped}", *module.remarks(model)])
    return InspectedModel(engine.info.model, loaded.info.id, model, loaded.tokenizer, note)


def read_weights(slot: ModelSlot, engine: "Engine", task: Task) -> Loaded:
    """In float32 on the CPU, of the engine's own file. Raises ChatError where there is no room, or the file is another one by now."""
    settings = in_full_numbers(slot.settings)
    source = slot.house.find(settings)
    with slot.house.budget.room_for_copy(slot, source, settings, task.tell):
        loaded = load(source, settings, task.tell)
    remember(source.folder or source.gguf, loaded.info.revision, settings.data_dir)
    if loaded.info.id.compare(engine.info.id) == "other":
        name = engine.info.model
        raise ChatError(f"The files of {name} have changed since the app loaded them, so X-ray cannot show what is running. Restart it.")
    return loaded


def in_full_numbers(settings: Settings) -> Settings:
    """As X-ray reads weights for itself: in float32, on the CPU, by transformers."""
    return settings.model_copy(update={"device": "cpu", "dtype": "float32", "engine": "direct"})


def read_tokenizer(name: str, settings: Settings) -> "PreTrainedTokenizerBase":
    """Of any model by name, without its weights."""
    settings = settings.model_copy(update={"model": name, "revision": ""})
    return load_tokenizer(find_source(settings), settings)


def why_not_load(settings: Settings) -> str:
    """Why nobody may have further models loaded here, in words: strangers must not fill the machine's memory or read its folders."""
    if asked_here(settings):
        return ""
    return (
        "Further models are loaded only where the app is not open to everyone: by the person at this machine, "
        "with --host on it, without --share, --public or --allowed-hosts, and not through a proxy."
    )


def shareable(engine: "Engine") -> bool:
    """Does the engine hold a model in this process, on one device that is there all the time? Then X-ray shares its weights."""
    model = getattr(engine, "model", None)
    if model is None or on_zerogpu():
        return False
    return len({parameter.device for parameter in model.parameters()}) == 1
