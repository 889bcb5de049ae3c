"""The memory that models share: what one will need before it is loaded, and what must leave for it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from chatapp.engines import choose
from chatapp.errors import ChatError
from chatapp.models import weights
from chatapp.models.gguf import read_gguf
from chatapp.models.hub import download, no_progress
from chatapp.models.info import context_of
from chatapp.models.loading import pick_device, pick_dtype, read_config
from chatapp.models.memory import SHORTEST, Forecast, free_bytes, gigabytes, kv_bytes_per_token
from chatapp.models.quantization import SHRINKS
from chatapp.models.sources import Source
from chatapp.settings import Settings
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from chatapp.resident.slot import ModelSlot

T = TypeVar("T")

ENOUGH = 2048
"""Tokens each that other models leave memory for, where --context names no number."""


def forecast(source: Source, settings: Settings, progress: Progress, tokens: int = ENOUGH) -> Forecast:
    """What a model will take, read from its headers; one on the Hub is downloaded first. Raises ChatError for files that are damaged.

    `tokens` each are counted where --context names no number, and the model allows so many.
    """
    engine = choose(source, settings)
    place = source.folder or source.gguf or _downloaded(source, progress)
    if engine == "llamacpp":
        return _of_gguf(place, settings, tokens)
    device = pick_device(settings)
    dtype, _ = pick_dtype(settings, device)
    people = settings.concurrency if engine == "batched" else 1
    if place.is_file():
        file = read_gguf(place)
        size, per_token, most = file.parameters * dtype.itemsize, file.kv_bytes_per_token * dtype.itemsize // 2, file.context
    else:
        size = weights.inspect(place).bytes_as(dtype.itemsize)  # first: what no configuration may say is refused there
        config = read_config(place, source.name)
        per_token, most = kv_bytes_per_token(config.get_text_config(), dtype), context_of(config)
    context = min(settings.context or tokens, most)
    return Forecast(int(size * SHRINKS[settings.quantization]), per_token, people, context, free_bytes(device), device)


def _of_gguf(path: Path, settings: Settings, tokens: int) -> Forecast:
    """As llama.cpp runs it: in the numbers of the file, with keys and values of two bytes."""
    file = read_gguf(path)
    context = min(settings.context or tokens, file.context)
    return Forecast(file.weight_bytes, file.kv_bytes_per_token, settings.concurrency, context, free_bytes("cpu"))


def _downloaded(source: Source, progress: Progress) -> Path:
    folder, _ = download(source, progress)
    return folder / source.file if source.file else folder


class Budget:
    """Memory for all models here. `slots` are the models; `needs` says what one will take, `free` how many bytes a device has."""

    def __init__(
        self,
        needs: Callable[[Source, Settings, Progress, int], Forecast] = forecast,
        free: Callable[[str], int] = free_bytes,
    ) -> None:
        self.needs, self.free = needs, free
        self.slots: Sequence[ModelSlot] = ()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self) -> None:
        """Remember the server's event loop, on which alone it can be said that nobody needs a model. Before it runs nobody does."""
        with suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    @contextmanager
    def room(self, slot: "ModelSlot", source: Source, progress: Progress) -> Iterator[Forecast]:
        """Room for a model that is about to load: idle ones leave, the one needed longest ago first. If it cannot load they come back.

        Raises ChatError with the numbers where no room can be made. Call it in the loader's thread.
        """
        need = self.needs(source, slot.settings, progress, ENOUGH)
        with ExitStack() as back:
            while need.required > self.free(need.device) and (idle := self._least_recent(slot, need.device)):
                progress(f"Unloading {idle.id} to make room", None)
                if engine := self._on_loop(idle.take):
                    back.callback(self._on_loop, idle.wake)
                    engine.close()
            self._refuse(slot, source, progress)
            yield need
            back.pop_all()

    def fits(self, source: Source, settings: Settings) -> bool:
        """Whether a copy of a model fits while all that are here stay."""
        need = self.needs(source, settings, no_progress, ENOUGH)
        return need.required <= self.free(need.device)

    def _refuse(self, slot: "ModelSlot", source: Source, progress: Progress) -> None:
        """Where not even the shortest context fits."""
        least = self.needs(source, slot.settings, progress, SHORTEST)
        if least.required > (free := self.free(least.device)):
            raise refusal(slot.id, least, free, [other for other in self.slots if other is not slot])

    def _least_recent(self, slot: "ModelSlot", device: str) -> "ModelSlot | None":
        """The loaded model that nobody needs, and that was needed longest ago."""
        loaded = [other for other in self.slots if other is not slot and other.state == "ready" and not other.queue.busy]
        here = [other for other in loaded if other.held is None or other.held.device == device]
        return min(here, key=lambda other: other.used, default=None)

    def _on_loop(self, work: Callable[[], T]) -> T:
        if self._loop is None:
            return work()
        done: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(work()))
        return done.result()


def refusal(name: str, need: Forecast, free: int, others: Sequence["ModelSlot"]) -> ChatError:
    """With the numbers, who holds what, and what to do."""
    holding = [f"{slot.id} ({gigabytes(slot.held.bytes)}, {doing(slot)})" for slot in others if slot.held]
    held = f" In memory are {' and '.join(holding)}: unload one when its replies are done." if holding else ""
    return ChatError(
        f"{name} does not fit: it needs {gigabytes(need.required)} ({need}), and {gigabytes(free)} are free.{held} "
        "A smaller --context, --concurrency or a quantized GGUF of it takes less.",
        status=503,
    )


def doing(slot: "ModelSlot") -> str:
    """Why it stays, in words."""
    count = slot.queue.running + slot.queue.waiting
    return f"answering {count} message{'' if count == 1 else 's'}" if count else slot.state
