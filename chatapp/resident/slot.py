"""One model in memory: loading, ready, failed or switching, as page, API and health read it."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Literal, Self

from chatapp.engines import open_engine
from chatapp.engines.base import Engine
from chatapp.engines.worker import Worker
from chatapp.errors import ChatError
from chatapp.models.info import ModelInfo
from chatapp.models.memory import free_bytes
from chatapp.models.sources import Source, resolve
from chatapp.settings import EMBEDDED_MODEL, Settings, on_zerogpu
from chatapp.tasks import EVERYBODY, Cancelled, Progress, Step, Task, Tasks

State = Literal["loading", "ready", "failed", "switching"]

WAITING, READY, FAILED = Step("Waiting to load"), Step("Ready", 1.0), Step("Failed")

NO_ROOM = "There is no memory for a second copy beside the first: the next start serves it."

log = logging.getLogger(__name__)

LOOK_EVERY = 0.1
"""Seconds between two looks whether somebody is still being answered."""


def find_source(settings: Settings) -> Source:
    """What the model's name stands for. Raises ChatError with what was tried."""
    return resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)


class ModelSlot:
    """Loads a model in the background, as a task of everybody's, and holds its engine.

    state     loading | ready | failed | switching
    error     why it failed, in words that a person can act on
    """

    def __init__(
        self,
        settings: Settings,
        *,
        find: "Callable[[Settings], Source]" = find_source,
        open: "Callable[[Source, Settings, Progress], Engine]" = open_engine,
    ) -> None:
        self.settings = settings
        self.tasks = Tasks()
        self.state: State = "loading"
        self.error = ""
        self._task: Task | None = None
        self._find, self._open = find, open
        self._engine: Engine | None = None
        self._closed = False
        self._worker = Worker("model loader")
        self._settled: Future[None] = Future()

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """Ready at once with this engine."""
        resident = cls(Settings())
        resident._engine = engine
        resident._settle(None)
        return resident

    def start(self) -> None:
        """Begin to load, for the first time or after a failure. On ZeroGPU a model is packed when the app is launched: there it waits."""
        if self._task is not None and self.state != "failed":
            raise ChatError("There is a model already, or one is being loaded.", status=409)
        loading = self._begin("loading", f"Load {self.settings.model}", self._load, again=self.start)
        if on_zerogpu():
            loading.exception()

    def _begin(self, state: State, title: str, work: Callable[[], None], again: Callable[[], None] | None = None) -> "Future[None]":
        """Hand work to the loader's thread, as a task."""
        if self._settled.done():
            self._settled = Future()
        self._task = self.tasks.begin(EVERYBODY, "load", title, again=again)
        self.state = state
        working = self._worker.submit(work)
        working.add_done_callback(lambda future: self._settle(future.exception()))
        return working

    @property
    def step(self) -> Step:
        """What is being done, and the share of it that is done."""
        if self.state in ("loading", "switching"):
            return self._task.step if self._task else WAITING
        return READY if self.state == "ready" else FAILED

    @property
    def engine(self) -> Engine:
        """The engine, or ChatError(status=503) that says what is going on."""
        if self.state == "ready":
            return self._engine
        if self.state == "failed":
            raise ChatError(f"There is no model: {self.error}", status=503)
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

    async def switch(self, model: str, revision: str = "") -> None:
        """Load another model in this one's place. Raises ChatError when that fails; the old one then is, or comes, back.

        It goes on when the caller is cancelled. Replies being written end with the old engine.
        """
        if self.state in ("loading", "switching"):
            raise ChatError(f"A model is being loaded ({self.step.words}). Wait until it is done.", status=409)
        wanted = self.settings.model_copy(update={"model": model or EMBEDDED_MODEL, "revision": revision})
        switching = self._begin("switching", f"Switch to {wanted.model}", lambda: self._replace(wanted))
        await asyncio.shield(asyncio.wrap_future(self._settled))
        if error := switching.exception():
            raise ChatError(f"{wanted.model} could not be loaded: {in_words(error)}", status=getattr(error, "status", 500))

    async def renew(self, engine: Engine, busy: Callable[[], bool]) -> None:
        """Open the model once more and put it in the place of `engine` at a moment when nobody is being answered.

        Nothing changes where `engine` is no longer the one. Raises ChatError where it cannot be opened, or would have less room.
        """
        source = self._find(self.settings)
        if not fits_beside(source, engine.info.device):
            raise ChatError(NO_ROOM)
        opening = self._worker.submit(lambda: self._open(source, self.settings, lambda words, share: None))
        new = await asyncio.shield(asyncio.wrap_future(opening))
        try:
            if new.capabilities.context < engine.capabilities.context:
                raise ChatError(NO_ROOM)
            while busy() and self._engine is engine:  # noqa: ASYNC110  what it waits for has no event
                await asyncio.sleep(LOOK_EVERY)
            if self.state == "ready" and self._engine is engine:
                self._engine, new = new, engine
        finally:
            await asyncio.to_thread(new.close)

    def close(self) -> None:
        """Stop every reply and free the model; a model still being loaded is freed when it comes."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()
        self._worker.close(timeout=0)

    def _load(self) -> None:
        self._task.tell(f"Loading {self.settings.model}")
        self._adopt(self._open(self._find(self.settings), self.settings, self._task.tell), self.settings)

    def _replace(self, wanted: Settings) -> None:
        source = self._find(wanted)  # a misspelt name costs nothing
        old = self._engine
        if old is not None and not fits_beside(source, old.info.device):
            old.close()
            self._engine = old = None
        opened = False
        try:
            engine = self._open(source, wanted, self._task.tell)
            opened = True
        finally:
            if not opened and self._engine is None:
                self._task.cancelling = False  # what was cancelled is the way forward, not the way back
                self._load()
        self._adopt(engine, wanted)
        if old is not None:
            old.close()

    def _adopt(self, engine: Engine, settings: Settings) -> None:
        if self._closed:
            engine.close()
            raise ChatError("The app was closed while the model was loading.", status=503)
        self._engine, self.settings = engine, settings

    def _settle(self, error: BaseException | None) -> None:
        """Say how loading ended. An old engine that is still there goes on."""
        if error is not None and not isinstance(error, ChatError):
            log.error("Loading the model failed", exc_info=error)
        words = in_words(error) if error is not None else ""
        if isinstance(error, Cancelled):
            words = f"Loading {self.settings.model} was cancelled. Try again in the list of tasks, or restart the app."
        self.error = words if self._engine is None else ""
        self.state = "ready" if self._engine is not None else "failed"
        if self._task is not None:
            self._task.end(ended(error), error=words)
        self._settled.set_result(None)


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


def fits_beside(source: Source, device: str) -> bool:
    """Whether a second model surely fits into memory while the first stays. Unknown sizes do not."""
    need = bytes_needed(source)
    return need is not None and need < free_bytes(device)


def bytes_needed(source: Source) -> int | None:
    """A careful guess from the files: safetensors may double (16 → 32 bits), a quantized GGUF grow eightfold. None before a download."""
    if source.gguf:
        return 8 * Path(source.gguf).stat().st_size
    found = [f.stat().st_size for f in Path(source.folder).glob("*.safetensors")] if source.folder else []
    return 2 * sum(found) or None
