"""One model, in memory or known: unloaded, loading, ready, failed or leaving, as page, API and health read it; and the queue before it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

from chatapp.engines.base import Engine
from chatapp.engines.worker import Worker
from chatapp.errors import ChatError
from chatapp.models.forecast import Forecast
from chatapp.models.info import ModelInfo
from chatapp.models.memory import give_back, taken_bytes
from chatapp.models.servers import is_address
from chatapp.models.sources import Source, resolve
from chatapp.resident.admission import Admission, Limits
from chatapp.resident.budget import Budget, needed
from chatapp.resident.lanes import Lanes
from chatapp.settings import Settings, on_zerogpu
from chatapp.tasks import EVERYBODY, Cancelled, Progress, Step, Task, Tasks

State = Literal["unloaded", "loading", "ready", "failed", "leaving"]

STEPS = {"unloaded": Step("Not loaded"), "ready": Step("Ready", 1.0), "failed": Step("Failed"), "leaving": Step("Unloading")}

FAILED = "Load it again, or choose another model."

LOOK_EVERY = 0.1
"""Seconds between two looks at a model that loads."""

log = logging.getLogger(__name__)


def find_source(settings: Settings) -> Source:
    """What the model's name stands for. Raises ChatError with what was tried."""
    return resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)


@dataclass(frozen=True)
class House:
    """What all models here share.

    worker  loads and frees, one after the other, so that each finds the memory as it is
    budget  makes room for a model that is about to load
    moved   is called with the turns that still wait whenever somebody's place may have changed
    forget  takes a model that failed off the list
    """

    tasks: Tasks
    worker: Worker
    lanes: Lanes
    limits: Limits
    find: Callable[[Settings], Source]
    open: Callable[[Source, Settings, Progress], Engine]
    budget: Budget
    moved: Callable[[list[str]], None]
    forget: "Callable[[ModelSlot], None]"


class ModelSlot:
    """A model by its public `id`. It loads in the background, as a task of everybody's, when somebody needs it, and holds its engine.

    state     unloaded | loading | ready | failed | leaving (it takes no more, what was begun is finished)
    error     why it failed, in words that a person can act on
    known     what it is, once it was loaded here, also while it is not
    held      what it was forecast to take of the memory, with the context that it got; grown: what this process grew by while it loaded
    queue     who waits for it, and whom it answers
    used      when it was needed last (time.monotonic)
    looked    how many look into its weights at this moment: then they stay
    asked     names that it was asked for by
    remote    another server runs it: it takes no memory here, and has no weights to look into
    """

    def __init__(self, settings: Settings, house: House, id: str, engine: Engine | None = None) -> None:
        self.settings, self.house, self.id = settings, house, id
        self.remote = is_address(settings.model)
        self.state: State = "unloaded" if engine is None else "ready"
        self.error = ""
        self.known: ModelInfo | None = engine and engine.info
        self.held: Forecast | None = None
        self.grown = 0
        self.used, self.looked, self.asked = time.monotonic(), 0, {settings.model}
        self.queue = Admission(
            house.limits, slots=lambda: places(self.loaded), ready=self._engine_ready, moved=house.moved, lanes=house.lanes, left=self._left
        )
        self._task: Task | None = None
        self._engine = engine
        self._closed = False
        self._settled: Future[None] = Future()
        if engine is not None:
            self._settled.set_result(None)

    def wake(self) -> None:
        """Load it where it is not loaded; one that is about to leave stays. On ZeroGPU it waits: there a model is packed at the launch."""
        if self.state == "leaving":
            self.state = "ready"
        if self.state not in ("unloaded", "failed"):
            return
        self.house.budget.attach()
        if self._settled.done():
            self._settled = Future()
        self._task = self.house.tasks.begin(
            EVERYBODY, "load", f"Load {self.id}", again=self.wake, dismissed=lambda: self.house.forget(self)
        )
        self.state, self.error, self.used = "loading", "", time.monotonic()
        loading = self.house.worker.submit(self._load)
        loading.add_done_callback(lambda future: self._settle(future.exception()))
        if on_zerogpu():
            loading.exception()

    def leave(self) -> None:
        """Unload: what was begun and what waits is finished, nothing more is taken, then its memory is given back.

        Of one that failed the failure is forgotten.
        """
        if self.state == "loading" and self._task is not None:
            self._task.cancelling = True
        if self.state == "ready":
            self.state = "leaving"
            self._left()
        if self.state == "failed":
            self.state, self.error = "unloaded", ""
            self.house.tasks.forget(self._task)

    def take(self) -> Engine | None:
        """Its engine, to be closed by whoever takes it; None where somebody needs it. Call it on the server's event loop."""
        if self.state not in ("ready", "leaving") or needed(self):
            return None
        engine, self._engine, self.state, self.held, self.grown = self._engine, None, "unloaded", None, 0
        return engine

    def swap(self, old: Engine, new: Engine, need: Forecast) -> Engine:
        """Put `new`, which was forecast to `need` so much, in the place of `old`, where that is still the one; the engine to be closed."""
        if self.state != "ready" or self._engine is not old:
            return new
        self._engine, self.known, self.held = new, new.info, given(need, new)
        return old

    @property
    def loaded(self) -> Engine | None:
        """The engine, where there is one."""
        return self._engine if self.state in ("ready", "leaving") else None

    @property
    def step(self) -> Step:
        """What is being done, and the share of it that is done."""
        if self.state == "loading":
            return self._task.step
        return STEPS[self.state]

    @property
    def engine(self) -> Engine:
        """The engine, or ChatError(status=503) that says what is going on."""
        if engine := self.loaded:
            return engine
        if self.state == "failed":
            raise ChatError(f"{self.id} could not be loaded: {self.error} {FAILED}", status=503)
        step = self.step
        share = "" if step.share is None else f" ({step.share:.0%})"
        raise ChatError(f"The model is not ready yet: {step.words}{share}. Try again in a moment.", status=503)

    @property
    def info(self) -> ModelInfo:
        """What is known of the model; raises as `engine` does."""
        return self.engine.info

    async def wait_ready(self) -> Engine:
        """The engine as soon as there is one. Raises ChatError when loading fails."""
        await asyncio.shield(asyncio.wrap_future(self._settled))
        return self.engine

    def close(self) -> None:
        """Stop every reply and free the model; a model still being loaded is freed when it comes."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()

    def _load(self) -> None:
        task = self._task
        task.tell(f"Loading {self.id}")
        source = self.house.find(self.settings)
        engine, held = opened(self, source, task.tell)
        if self._closed:
            engine.close()
            raise ChatError("The app was closed while the model was loading.", status=503)
        self._engine, self.known, self.held = engine, engine.info, held and given(held, engine)

    def _settle(self, error: BaseException | None) -> None:
        """Say how loading ended."""
        if error is not None and not isinstance(error, ChatError):
            log.error("Loading the model failed", exc_info=error)
        words = in_words(error) if error is not None else ""
        if isinstance(error, Cancelled):
            words = "It was cancelled."
        self.error, self.state = words, "failed" if error else "ready"
        self._task.end(ended(error), error=words)
        self._settled.set_result(None)

    async def _engine_ready(self) -> None:
        """For those that wait: it is loaded again where it was unloaded while they came."""
        if self.state == "unloaded":
            self.wake()
        await self.wait_ready()

    def _left(self) -> None:
        """Somebody was answered, or went away."""
        self.used = time.monotonic()
        if self.state == "leaving" and (engine := self.take()) is not None:
            self.house.worker.submit(engine.close)


@contextmanager
def looked_into(slot: ModelSlot) -> Iterator[None]:
    """While somebody looks into a model's weights it does not leave."""
    slot.looked += 1
    try:
        yield
    finally:
        slot.looked -= 1
        slot._left()


async def arriving(slot: ModelSlot) -> AsyncIterator[Step]:
    """What is being done while a model loads, whenever that changes. Raises ChatError where it fails."""
    told = None
    while slot.state == "loading":
        if slot.step != told:
            told = slot.step
            yield told
        await asyncio.sleep(LOOK_EVERY)
    await slot.wait_ready()


def opened(slot: ModelSlot, source: Source, progress: Progress) -> tuple[Engine, Forecast | None]:
    """The engine, and what it is forecast to take: nothing where another server runs the model."""
    if source.server:
        return slot.house.open(source, slot.settings, progress), None
    with slot.house.budget.room(slot, source, progress) as held:
        give_back()  # what others left behind, or it would count as this one's
        before = taken_bytes(held.device)
        engine = slot.house.open(source, slot.settings, progress)
        slot.grown = max(0, taken_bytes(held.device) - before)
    return engine, held


def places(engine: Engine | None) -> int:
    """How many may be answered at once."""
    return engine.capabilities.concurrency if engine else 0


def given(need: Forecast, engine: Engine) -> Forecast:
    """The forecast for the context that an engine gives each person."""
    return replace(need, context=engine.capabilities.context, runtime=0)


def ended(error: BaseException | None) -> Literal["done", "failed", "cancelled"]:
    """How a task ended that raised this."""
    if error is None:
        return "done"
    return "cancelled" if isinstance(error, Cancelled) else "failed"


def in_words(error: BaseException) -> str:
    """The sentence for a person: a ChatError's own, else one that points to the log."""
    if isinstance(error, ChatError):
        return str(error)
    return f"Something unexpected went wrong ({type(error).__name__}). The log of the app has the details; another model may work."
