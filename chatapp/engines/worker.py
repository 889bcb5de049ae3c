"""One persistent thread that runs jobs in order, and the bridge from its sync generators to asyncio."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from typing import TypeVar

from chatapp.errors import ChatError

T = TypeVar("T")
Job = tuple[Callable[[], object], Future]


class Worker:
    """Jobs on one thread, first come first served. Results and exceptions come back as values of a Future.

    The thread is a daemon and starts with the first job; if it ever dies, its job fails at once and the next job starts a new one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def submit(self, job: Callable[[], T]) -> "Future[T]":
        """Run `job` after those before it. Raises ChatError once the worker is closed."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise ChatError("The model was unloaded; try again in a moment.", status=503)
            self._jobs.put((job, future))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                self._thread.start()
        return future

    def close(self, timeout: float | None = None) -> None:
        """No more jobs; waits up to `timeout` seconds for those begun or queued."""
        with self._lock:
            self._closed = True
            self._jobs.put(None)
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _serve(self) -> None:
        while (entry := self._jobs.get()) is not None:
            _run(*entry)
            del entry  # a waiting thread must not keep the last job's values alive


def _run(job: Callable[[], object], future: Future) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # noqa: BLE001  crosses to the caller as a value and is raised there
        future.set_exception(error)


async def stream(worker: Worker, make: Callable[[], Generator[T | None]]) -> AsyncGenerator[T]:
    """Yield what the sync generator `make()` yields on the worker's thread; None is only a sign of life.

    Closing this generator closes that one at its next yield, and does not wait for it: a later job of the worker comes after it.
    """
    loop, arrived, left = asyncio.get_running_loop(), asyncio.Queue(), threading.Event()

    def deliver(item: object) -> None:
        try:
            loop.call_soon_threadsafe(arrived.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody listens any more
            left.set()

    def drive() -> None:
        if left.is_set():
            return
        with closing(make()) as items:
            for item in items:
                if left.is_set():
                    return
                if item is not None:
                    deliver(item)

    # The request's context goes along: ZeroGPU reads the visitor's quota token from it.
    context = contextvars.copy_context()
    finished = worker.submit(lambda: context.run(drive))
    finished.add_done_callback(deliver)
    try:
        while (item := await arrived.get()) is not finished:
            yield item
        finished.result()
    finally:
        left.set()
