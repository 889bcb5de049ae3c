"""X-ray's own thread: it takes one core, comes after the model, and is the first that imports PyTorch where the engine does not."""

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from chatapp.tasks import Step

T = TypeVar("T")

NICE = 10
"""Priority of X-ray's thread once PyTorch is there. Beside it a chat keeps 0.6 of its speed on two cores, 0.3 with none; a higher number
would stall the page, as this thread holds Python's lock now and then. An import holds it for long, and must not wait for a core as well."""


class XrayThread:
    """All of X-ray's work runs on it, piece after piece. `rooms` are the modules that need PyTorch."""

    def __init__(self, rooms: Iterable[str]) -> None:
        self._pool = ThreadPoolExecutor(1, "xray")
        self._rooms = tuple(rooms)
        self._awake = False

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """One piece of work."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*arguments))

    async def drive(self, steps: Iterator[T]) -> AsyncIterator[T]:
        """A plain generator, one step at a time. Closing this closes it: the reader who leaves ends the work."""
        done = object()
        try:
            while (item := await self.run(next, steps, done)) is not done:
                yield item
        finally:
            if isinstance(steps, Generator):
                await asyncio.shield(self.run(steps.close))

    async def wake(self) -> AsyncIterator[Step]:
        """PyTorch, once. An app whose engine is llama.cpp has not loaded it before."""
        if not self._awake:
            yield Step("Starting PyTorch")
            await self.run(self._wake)

    def _wake(self) -> None:
        """Whoever asked at the same moment comes second."""
        if self._awake:
            return
        one_thread()
        for room in self._rooms:
            importlib.import_module(room)
        behind_the_chat()
        self._awake = True

    def close(self) -> None:
        """Work in progress ends first."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def behind_the_chat() -> None:
    """What the model needs comes first."""
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICE)


def one_thread() -> None:
    """Beside a running chat X-ray takes one core.

    PyTorch keeps the number per thread, but a thread that starts later takes the number that was set last, by whichever thread: so the
    number from before is set again, from a thread that ends.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    restore = threading.Thread(target=torch.set_num_threads, args=(before,))
    restore.start()
    restore.join()
