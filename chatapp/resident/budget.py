"""The memory that models share: what one will need before it is loaded, and what must leave for it."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from chatapp.errors import ChatError
from chatapp.models.forecast import Forecast
from chatapp.models.hub import here
from chatapp.models.hub_access import Unreachable
from chatapp.models.memory import SHORTEST, free_bytes, gigabytes
from chatapp.models.sources import Source
from chatapp.resident.copies import Copies, Copy, Unserved
from chatapp.resident.needs import ENOUGH, forecast, prepare
from chatapp.settings import Settings
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from chatapp.resident.slot import ModelSlot

T = TypeVar("T")

LOOK_EVERY = 0.2
"""Seconds between two looks whether another load has ended."""


class Budget:
    """Memory for all models here. `slots` are the models; `needs` says what one will take, `free` how many bytes a device has.

    `copies` (X-ray's, encoders, classifiers) stand in main memory, and leave before any model does: they are made again in seconds.
    `prepare` brings what one needs here before memory is made free for it.
    """

    def __init__(
        self,
        needs: Callable[[Source, Settings, int], Forecast] = forecast,
        free: Callable[[str], int] = free_bytes,
        prepare: Callable[[Source, Settings, Progress], None] = prepare,
    ) -> None:
        self.needs, self.free, self.prepare = needs, free, prepare
        self.slots: Sequence[ModelSlot] = ()
        self.copies = Copies()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alone = threading.Lock()

    def attach(self) -> None:
        """Remember the server's event loop, on which alone it can be said that nobody needs a model. Before it runs nobody does."""
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    @contextmanager
    def room(self, slot: "ModelSlot", source: Source, progress: Progress) -> Iterator[Forecast]:
        """Room for a model that is about to load: idle ones leave, the one needed longest ago first. If it cannot load they come back.

        Raises ChatError with the numbers where no room can be made. Call it in the loader's thread.
        """
        if here(source) is None:
            with suppress(Unreachable):  # fetching it says why it cannot be had
                self._refuse(slot, source, hopeless=True)
        self.prepare(source, slot.settings, progress)
        need = self.needs(source, slot.settings, ENOUGH)
        with self._one_after_the_other(progress), ExitStack() as back:
            self._without_copies(need, progress)
            while need.required > self.free(need.device) and (idle := self._least_recent(slot, need.device)):
                progress(f"Unloading {idle.id} to make room", None)
                if self._unloaded(idle):
                    back.callback(self._on_loop, idle.wake)
            self._refuse(slot, source)
            yield need
            back.pop_all()

    @contextmanager
    def room_for_copy(self, slot: "ModelSlot", source: Source, settings: Settings, progress: Progress) -> Iterator[Forecast]:
        """Room for X-ray's copy of a model: other copies leave, no model does. Raises ChatError with the numbers where there is none."""
        need = replace(self.needs(source, settings, ENOUGH), per_token=0, work=0, runtime=0)
        with self._one_after_the_other(progress):
            self._without_copies(need, progress)
            if need.required > (free := self.free(need.device)):
                raise copy_refusal(slot, need, free, self.holding(None))
            yield need

    def fits(self, source: Source, settings: Settings) -> Forecast | None:
        """What a copy of a model will take, where that fits while all that are here stay."""
        need = self.needs(source, settings, ENOUGH)
        return need if need.required <= self.free(need.device) else None

    def holding(self, without: "ModelSlot | None") -> list[str]:
        """Who holds how much memory, and why it stays."""
        models = [f"{slot.id} ({gigabytes(slot.held.bytes)}, {doing(slot)})" for slot in self.slots if slot is not without and slot.held]
        return models + [f"{copy.name} ({gigabytes(copy.bytes)})" for copy in self._on_loop(self.copies.all)]

    @contextmanager
    def _one_after_the_other(self, progress: Progress) -> Iterator[None]:
        """So that each finds the memory as it is."""
        while not self._alone.acquire(timeout=LOOK_EVERY):
            progress("Waiting until another model is loaded", None)
        try:
            yield
        finally:
            self._alone.release()

    def _refuse(self, slot: "ModelSlot", source: Source, *, hopeless: bool = False) -> None:
        """Where not even the shortest context fits; `hopeless`: before anything is fetched, also if all others left."""
        least = self.needs(source, slot.settings, SHORTEST)
        free, leaving = self.free(least.device), self._leaving(slot, least.device) if hopeless else 0
        if least.required > free + leaving:
            raise refusal(slot.id, least, free, self.holding(slot))

    def _leaving(self, slot: "ModelSlot", device: str) -> int:
        """Bytes that would be free beside the others if all left."""
        models = [other.held.bytes for other in self.slots if other is not slot and other.held and other.held.device == device]
        return sum(models) + (sum(copy.bytes for copy in self._on_loop(self.copies.all)) if device == "cpu" else 0)

    def _without_copies(self, need: Forecast, progress: Progress) -> None:
        """What stands beside the models leaves while there is no room; what somebody looks into stays."""
        if need.device != "cpu":
            return
        while need.required > self.free(need.device) and (copy := self._on_loop(self._least_looked_into)):
            progress(f"Unloading {copy.name} to make room", None)
            self._on_loop(partial(self.copies.drop, copy))
            gc.collect()  # a model's modules refer to each other

    def _least_looked_into(self) -> Copy | Unserved | None:
        return next((copy for copy in self.copies.all() if not copy.looked), None)

    def _unloaded(self, idle: "ModelSlot") -> bool:
        """Whether it was still idle, and has left. Nothing here refers to its engine afterwards."""
        if (engine := self._on_loop(idle.take)) is None:
            return False
        engine.close()
        return True

    def _least_recent(self, slot: "ModelSlot", device: str) -> "ModelSlot | None":
        """The loaded model that nobody needs, and that was needed longest ago."""
        loaded = [other for other in self.slots if other is not slot and other.state == "ready" and not needed(other)]
        here = [other for other in loaded if not other.remote and (other.held is None or other.held.device == device)]
        return min(here, key=lambda other: other.used, default=None)

    def _on_loop(self, work: Callable[[], T]) -> T:
        """What it raises is raised here."""
        if self._loop is None:
            return work()
        return asyncio.run_coroutine_threadsafe(awaited(work), self._loop).result()


async def awaited(work: Callable[[], T]) -> T:
    """As a coroutine."""
    return work()


def needed(slot: "ModelSlot") -> bool:
    """Does anybody wait for it, is answered, or looks into it?"""
    return slot.queue.busy or slot.looked > 0


def refusal(name: str, need: Forecast, free: int, holding: Sequence[str]) -> ChatError:
    """With the numbers, who holds what, and what to do."""
    held = f" In memory are {' and '.join(holding)}: unload one when its replies are done." if holding else ""
    return ChatError(
        f"{name} does not fit: it needs {gigabytes(need.required)} ({need}), and {gigabytes(free)} are free.{held} "
        "A smaller --context, --concurrency or a quantized GGUF of it takes less.",
        status=503,
    )


def copy_refusal(slot: "ModelSlot", need: Forecast, free: int, holding: Sequence[str]) -> ChatError:
    """Why X-ray cannot look into a model that its engine holds in a form of its own."""
    held = f" In memory are {' and '.join(holding)}: unload what is not needed." if holding else " Close other programs."
    return ChatError(
        f"X-ray's copy of {slot.id} does not fit: what its engine holds cannot be looked into, and reading the weights once more, in "
        f"float32, needs {gigabytes(need.required)}; {gigabytes(free)} are free.{held}",
        status=503,
    )


def doing(slot: "ModelSlot") -> str:
    """Why it stays, in words."""
    count = slot.queue.running + slot.queue.waiting
    if count:
        return f"answering {count} message{'' if count == 1 else 's'}"
    return "looked into" if slot.looked else slot.state
