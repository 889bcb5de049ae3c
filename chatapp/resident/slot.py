"""The one model in memory: loading, ready, failed or switching, as page, API and health read it."""

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from chatapp.engines import Progress, open_engine
from chatapp.engines.base import Card, Engine
from chatapp.engines.memory import free_bytes
from chatapp.engines.worker import Worker
from chatapp.errors import ChatError
from chatapp.settings import EMBEDDED_MODEL, Settings

if TYPE_CHECKING:
    from chatapp.models.sources import Source

State = Literal["loading", "ready", "failed", "switching"]

log = logging.getLogger(__name__)


def find_source(settings: Settings) -> "Source":
    """What the model's name stands for. Raises ChatError with what was tried."""
    from chatapp.models.sources import resolve

    return resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)


class Resident:
    """Loads a model in the background and holds its engine.

    state     loading | ready | failed | switching
    detail    what is being done, in words; progress is the share done, 0 to 1, or None
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
        self.state: State = "loading"
        self.detail = "Waiting to load"
        self.progress: float | None = None
        self.error = ""
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
        """Begin to load. On ZeroGPU it loads before this returns: there a model is packed when the app is launched."""
        loading = self._worker.submit(self._load)
        loading.add_done_callback(lambda future: self._settle(future.exception()))
        if os.environ.get("SPACES_ZERO_GPU"):
            loading.exception()

    @property
    def engine(self) -> Engine:
        """The engine, or ChatError(status=503) that says what is going on."""
        if self.state == "ready":
            return self._engine
        if self.state == "failed":
            raise ChatError(f"There is no model: {self.error}", status=503)
        share = "" if self.progress is None else f" ({self.progress:.0%})"
        raise ChatError(f"The model is not ready yet: {self.detail}{share}. Try again in a moment.", status=503)

    @property
    def card(self) -> Card:
        """Facts of the model; raises as `engine` does."""
        return self.engine.card

    async def wait_ready(self) -> Engine:
        """The engine as soon as there is one. Raises ChatError when loading fails."""
        await asyncio.shield(asyncio.wrap_future(self._settled))
        return self.engine

    async def switch(self, model: str, revision: str = "") -> None:
        """Load another model in this one's place. Raises ChatError when that fails; the old one then is, or comes, back.

        It goes on when the caller is cancelled. Replies being written end with the old engine.
        """
        if self.state in ("loading", "switching"):
            raise ChatError(f"A model is being loaded ({self.detail}). Wait until it is done.", status=409)
        wanted = self.settings.model_copy(update={"model": model or EMBEDDED_MODEL, "revision": revision})
        self.state, self.detail, self.progress, self._settled = "switching", f"Switching to {wanted.model}", None, Future()
        switching = self._worker.submit(lambda: self._replace(wanted))
        switching.add_done_callback(lambda future: self._settle(future.exception()))
        await asyncio.shield(asyncio.wrap_future(self._settled))
        if error := switching.exception():
            raise ChatError(f"{wanted.model} could not be loaded: {in_words(error)}", status=getattr(error, "status", 500))

    def close(self) -> None:
        """Stop every reply and free the model; a model still being loaded is freed when it comes."""
        self._closed = True
        if self._engine is not None:
            self._engine.close()
        self._worker.close(timeout=0)

    def _report(self, detail: str, progress: float | None) -> None:
        self.detail, self.progress = detail, progress

    def _load(self) -> None:
        self._report(f"Loading {self.settings.model}", None)
        self._adopt(self._open(self._find(self.settings), self.settings, self._report), self.settings)

    def _replace(self, wanted: Settings) -> None:
        source = self._find(wanted)  # a misspelt name costs nothing
        old = self._engine
        if old is not None and not fits_beside(source, old.card.device):
            old.close()
            self._engine = old = None
        opened = False
        try:
            engine = self._open(source, wanted, self._report)
            opened = True
        finally:
            if not opened and self._engine is None:
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
        self.error = in_words(error) if error is not None and self._engine is None else ""
        self.detail, self.progress = ("Ready", 1.0) if self._engine is not None else ("Failed", None)
        self.state = "ready" if self._engine is not None else "failed"
        self._settled.set_result(None)


def in_words(error: BaseException) -> str:
    """The sentence for a person: a ChatError's own, else one that points to the log."""
    if isinstance(error, ChatError):
        return str(error)
    return f"Something unexpected went wrong ({type(error).__name__}). The log of the app has the details; another model may work."


def fits_beside(source: "Source", device: str) -> bool:
    """Whether a second model surely fits into memory while the first stays. Unknown sizes do not."""
    need = bytes_needed(source)
    return need is not None and need < free_bytes(device)


def bytes_needed(source: "Source") -> int | None:
    """A careful guess from the files: safetensors may double (16 → 32 bits), a quantized GGUF grow eightfold. None before a download."""
    if source.gguf:
        return 8 * Path(source.gguf).stat().st_size
    found = [f.stat().st_size for f in Path(source.folder).glob("*.safetensors")] if source.folder else []
    return 2 * sum(found) or None
