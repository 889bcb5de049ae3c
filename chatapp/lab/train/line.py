"""Runs that wait, and the one that trains: one after the other, in a thread that lives as long as the process."""

import threading
from collections import deque
from collections.abc import Callable

from chatapp.tasks import Task


class Line:
    """`train` does all of a run before the next one is begun."""

    def __init__(self, train: Callable[[str, Task], None]) -> None:
        self.train = train
        self._waiting: deque[tuple[str, Task]] = deque()
        self._current: tuple[str, Task] | None = None
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def add(self, id: str, task: Task) -> None:
        """At its end. Nothing begins any more where the line was closed."""
        with self._changed:
            self._waiting.append((id, task))
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="training", daemon=True)
                self._worker.start()
            self._changed.notify_all()

    def holds(self, id: str) -> bool:
        """Does it run, or wait?"""
        with self._changed:
            return any(one == id for one, _ in self._all())

    def trains(self, id: str) -> bool:
        """Has its turn come?"""
        with self._changed:
            return self._current is not None and self._current[0] == id

    def cancel(self, id: str) -> None:
        """Its task is cancelled, whether it runs or waits."""
        with self._changed:
            for one, task in self._all():
                if one == id:
                    task.cancelling = True

    def drop_cancelled(self) -> list[tuple[str, Task]]:
        """Those that were cancelled while they waited: they leave the line."""
        with self._changed:
            gone = [(id, task) for id, task in self._waiting if task.cancelling]
            for entry in gone:
                self._waiting.remove(entry)
        return gone

    def close(self) -> str | None:
        """What waits begins no more; the run that is training, if any."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
            return self._current[0] if self._current else None

    def rests(self, seconds: float) -> bool:
        """After `close`: has the last run come to its end within so many seconds?"""
        if self._worker is not None:
            self._worker.join(seconds)
        return self._worker is None or not self._worker.is_alive()

    def _all(self) -> list[tuple[str, Task]]:
        return [*self._waiting, *filter(None, [self._current])]

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                self._current = self._waiting.popleft()
            try:
                self.train(*self._current)
            finally:
                with self._changed:
                    self._current = None
