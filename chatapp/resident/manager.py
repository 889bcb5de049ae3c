"""The models of the app: those in memory under one budget, and those that are known and load when somebody needs them."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from chatapp.engines import open_engine
from chatapp.engines.base import Engine
from chatapp.engines.worker import Worker
from chatapp.errors import ChatError, closest
from chatapp.models.identity import FINGERPRINT, ModelId, made_by, short
from chatapp.models.purpose import refuse_silent
from chatapp.models.sources import EARLIER, Source
from chatapp.resident.admission import Limits
from chatapp.resident.budget import Budget, needed
from chatapp.resident.lanes import Lanes
from chatapp.resident.slot import House, ModelSlot, find_source
from chatapp.settings import EMBEDDED_MODEL, Settings, on_zerogpu
from chatapp.tasks import Progress, Tasks
from chatapp.turn import Turn

DEFAULT = "default"
"""The name under which the first model is always found."""

NO_LIMITS = Limits()


class ModelManager:
    """`first` is the model that the app was started with: what page and API use where nothing is named.

    `tasks` are everybody's and each owner's long works, `copies` X-ray's copies of weights. `moved` is called with the turns that wait
    whenever a place may have changed.
    Everything but `start` and `close` is called on the server's event loop.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        limits: Limits | None = None,
        find: Callable[[Settings], Source] = find_source,
        open: Callable[[Source, Settings, Progress], Engine] = open_engine,
        budget: Budget | None = None,
    ) -> None:
        self.settings = settings
        self.tasks = Tasks()
        self.moved: Callable[[list[str]], None] = lambda keys: None
        self._worker, self._budget = Worker("model loader"), budget or Budget()
        self.copies = self._budget.copies
        limits = limits or Limits(settings.max_waiting, settings.waiting_each, settings.running_each)
        moved = lambda keys: self.moved(keys)  # noqa: E731  it is set later
        self.house = House(self.tasks, self._worker, Lanes(), limits, find, open, self._budget, moved, self.forget)
        self._slots = [ModelSlot(named(settings, name), self.house, unplaced(name)) for name in (settings.model, *settings.more_models)]
        self._named = tuple(self._slots)
        self._budget.slots = self._slots

    @classmethod
    def of(cls, engine: Engine, settings: Settings | None = None, *, limits: Limits | None = None, budget: Budget | None = None) -> Self:
        """Ready at once with this engine."""
        manager = cls(settings or Settings(), limits=limits or (None if settings else NO_LIMITS), budget=budget)
        manager._slots[:] = [ModelSlot(manager.settings, manager.house, engine.info.model, engine)]
        return manager

    @property
    def first(self) -> ModelSlot:
        """The model that the app was started with."""
        return self._slots[0]

    @property
    def busy(self) -> bool:
        """Does anybody wait for a model, or is being answered?"""
        return any(slot.queue.busy for slot in self._slots)

    def start(self, launched: threading.Event | None = None) -> None:
        """Begin to load the first model; the others load when somebody needs them.

        Loading waits for `launched`, so that the page answers first: both share one Python. ZeroGPU packs what is there at the launch.
        """
        if launched is not None and not on_zerogpu():
            self._worker.submit(launched.wait)
        for slot in self._slots:
            with suppress(ChatError):  # one that is not found keeps its name for now; loading says why
                slot.id = self.house.find(slot.settings).id
        self._slots[:] = [slot for slot in self._slots if self.get(slot.id) is slot]  # one model under two names is one
        self.first.wake()

    def slots(self) -> list[ModelSlot]:
        """Every model that is in memory or known, the first one first."""
        return list(self._slots)

    def get(self, id: str) -> ModelSlot | None:
        """The model of this id, if it is known here."""
        return next((slot for slot in self._slots if slot.id == id), None)

    def remembered(self, id: str | None) -> ModelSlot | None:
        """The model that a conversation remembers, also by an id of earlier versions, if it is known here."""
        return self.get(id or "") or self.get(EARLIER.get(id or "", ""))

    def find(self, name: str) -> ModelSlot:
        """By id, as `default`, or by a short name that only one has. Raises ChatError: 400 for a name of several, 404 for one of none."""
        if found := self.get(name) or (self.first if name in ("", DEFAULT) else None):
            return found
        called = [slot for slot in self._slots if name in short_names(slot)]
        if len(called) > 1:
            raise ChatError(f"{name!r} is the name of several models here: {listed(called)}. Name one of them in full.", status=400)
        if not called:
            ids = [slot.id for slot in self._slots]
            raise ChatError(f"There is no model {name!r} here. There are: {listed(self._slots)}.{closest(name, ids)}", status=404)
        return called[0]

    def wrote(self, whose: Turn | ModelId) -> ModelSlot | None:
        """The known model whose weights wrote a turn; None where none is known to be it."""
        made = made_by(whose) if isinstance(whose, Turn) else whose
        known = (slot for slot in self._slots if (slot.known and is_of(made, slot)) or slot.id == str(made))
        return next(known, None)

    async def load(self, name: str, revision: str = "") -> ModelSlot:
        """Begin to load a model, as a task, and return its slot at once; one that is here already is that one.

        Raises ChatError for a name that stands for no model, or for one that writes no text.
        """
        if (known := self.get(name)) and not revision:
            known.wake()
            return known
        wanted = named(self.settings, name or EMBEDDED_MODEL, revision)
        source = await asyncio.to_thread(self.house.find, wanted)
        await asyncio.to_thread(refuse_silent, source)
        id = await asyncio.to_thread(getattr, source, "id")
        slot = self.get(id)
        if slot is None:
            slot = ModelSlot(wanted, self.house, id)
            self._slots.append(slot)
        slot.asked.add(wanted.model)
        slot.wake()
        return slot

    def unload(self, id: str) -> None:
        """Give its memory back as soon as its replies are done; one that failed is forgotten. Raises ChatError for one that is not here."""
        slot = self.find(id)
        if slot.state == "failed":
            self.forget(slot)
        slot.leave()

    def forget(self, slot: ModelSlot) -> None:
        """That it failed. It leaves the list, except where the app was started with it: then it loads with the next message."""
        if slot.state != "failed":
            return
        slot.leave()
        if slot not in self._named and slot is not self.first:
            self._slots.remove(slot)

    def unload_idle(self, seconds: float) -> None:
        """Unload what nobody needed for so long; it loads again when somebody does."""
        for slot in self._slots:
            if slot.state == "ready" and not needed(slot) and time.monotonic() - slot.used > seconds:
                slot.leave()

    def close(self) -> None:
        """Stop every reply and free the models; one that is still being loaded is freed when it comes."""
        for slot in self._slots:
            slot.close()
        self._worker.close(timeout=0)


def is_of(made: ModelId, slot: ModelSlot) -> bool:
    """Was it made by this model? Of one that another server runs the address and the name are all that is known."""
    return made == slot.known.id if slot.remote else made.compare(slot.known.id) == "same"


def named(settings: Settings, name: str, revision: str = "") -> Settings:
    """The same settings for another model."""
    return settings if name == settings.model else settings.model_copy(update={"model": name, "revision": revision})


def unplaced(name: str) -> str:
    """A name that anybody may read: of a path its last part."""
    return name.rstrip("/").rpartition("/")[2] if name.startswith(("/", ".", "~")) else name


def short_names(slot: ModelSlot) -> set[str]:
    """What a model is called beside its id: the names that it was asked for by, its id without the revision, the last part of that."""
    if slot.remote:
        return {*slot.asked, short(slot.id), *({slot.known.model, short(slot.known.model)} if slot.known else ())}
    repo, _, rest = slot.id.partition("@")
    whole = repo + (":" + rest.partition(":")[2] if ":" in rest.removeprefix(FINGERPRINT) else "")
    return {*slot.asked, whole, whole.rpartition("/")[2]}


def listed(slots: Sequence[ModelSlot]) -> str:
    """Their ids in a sentence."""
    return ", ".join(slot.id for slot in slots)
