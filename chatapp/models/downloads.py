"""Downloads as tasks: one for each model however often it is asked for; cancelled at once, begun again from what is whole."""

import threading
import time
from collections.abc import Callable
from urllib.parse import quote

from chatapp.errors import ChatError
from chatapp.models.hub import download
from chatapp.models.hub_access import Hub
from chatapp.models.sources import Source
from chatapp.tasks import EVERYBODY, UNEXPECTED, Cancelled, Task, Tasks

LOOK = 0.1
"""Seconds between two looks whether somebody cancelled."""

PATIENCE = 2.0
"""Seconds that a cancelled download has to end by itself, as it does with its next bytes. Where none come, nobody waits for it."""


class Downloads:
    """What is being fetched. A model belongs to the app, so its task is everybody's."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._running: dict[tuple[str, str, str], Task] = {}
        self._lock = threading.Lock()

    def begin(self, source: Source, hub: Callable[[], Hub]) -> Task:
        """The task that fetches this model, a new one or that which runs. `hub` is asked at each beginning: a token may have come since."""
        if source.kind not in ("hub", "repo_gguf"):
            raise ChatError(f"{source.name} is on this machine already: there is nothing to fetch.", status=409)
        key = (source.repo, source.revision, source.file)
        with self._lock:
            if (known := self._running.get(key)) is not None and known.state == "running":
                return known
            task = self._tasks.begin(EVERYBODY, "download", f"Download {source.name}", again=lambda: self._again(source, hub))
            self._running[key] = task
        threading.Thread(target=self._run, args=(task, source, hub, key), name=f"download {source.name}", daemon=True).start()
        return task

    def _again(self, source: Source, hub: Callable[[], Hub]) -> None:
        self.begin(source, hub)

    def _run(self, task: Task, source: Source, hub: Callable[[], Hub], key: tuple[str, str, str]) -> None:
        """Watches over the thread that fetches, which sees a cancel only when bytes come."""
        fetching = threading.Thread(target=self._fetch, args=(task, source, hub), name=f"fetch {source.name}", daemon=True)
        fetching.start()
        cancelled = 0.0
        while fetching.is_alive() and (not cancelled or time.monotonic() < cancelled + PATIENCE):
            fetching.join(LOOK)
            cancelled = cancelled or (time.monotonic() if task.cancelling else 0.0)
        task.end("cancelled" if cancelled else "failed", error="" if cancelled else UNEXPECTED)
        with self._lock:
            if self._running.get(key) is task:  # what ended may have been begun again since
                del self._running[key]

    def _fetch(self, task: Task, source: Source, hub: Callable[[], Hub]) -> None:
        try:
            download(source, task.tell, hub=hub())
        except Cancelled:
            return  # who watches says so
        except ChatError as error:
            task.end("failed", error=str(error))
        else:
            task.end("done", result=f"./models#{quote(source.name, safe='')}")

    def running(self, repo: str) -> bool:
        """Is something of this repository being fetched?"""
        with self._lock:
            return any(key[0] == repo for key in self._running)
