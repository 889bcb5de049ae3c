"""Long work: begun by whoever does it, watched, cancelled and begun again from every page. One form of progress for all of it."""

import secrets
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner

State = Literal["running", "done", "failed", "cancelled"]

Progress = Callable[[str, float | None], None]
"""Told the words and the share of each Step. Raising Cancelled in it ends the work and leaves nothing half done."""

EVERYBODY = ""
"""The owner of what belongs to the app, such as the model that it loads."""

UNDONE = ("failed", "cancelled")

UNEXPECTED = "Something unexpected went wrong. The log of the app has the details."

REMEMBERED = 50
"""Tasks of one owner that are kept after their end."""


class Cancelled(ChatError):
    """A person cancelled the work."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")


@dataclass(frozen=True)
class Step:
    """What is being done, and the share of it that is done (0 to 1) where that is known."""

    words: str
    share: float | None = None


@dataclass(eq=False)
class Task:
    """One long work. Its worker calls `tell` and `end`, from whichever thread.

    kind      load | download | convert | save | compare | classify | train
    result    an address of the page that shows what came of it, or ''
    again     begins the same work anew; None where that is not possible
    dismissed is called when a person takes it off the list
    """

    owner: Owner
    kind: str
    title: str
    again: Callable[[], None] | None = None
    dismissed: Callable[[], None] | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    began: float = field(default_factory=time.time)
    state: State = "running"
    step: Step = Step("Waiting to begin")
    error: str = ""
    result: str = ""
    cancelling: bool = False
    ended: threading.Event = field(default_factory=threading.Event, repr=False)

    def tell(self, words: str, share: float | None = None) -> None:
        """A Progress. Raises Cancelled where a person asked for that: the work ends at its next step."""
        if self.cancelling:
            raise Cancelled
        self.step = Step(words, share)

    def end(self, state: State, *, error: str = "", result: str = "") -> None:
        """The work ended; words after that change nothing."""
        if self.state == "running":
            self.error, self.result, self.state = error, result, state
            self.ended.set()


@contextmanager
def ending(task: Task) -> Iterator[None]:
    """Around its work: it ends in every case. A ChatError is its error; any other exception goes on, to the log."""
    try:
        yield
    except Cancelled:
        task.end("cancelled")
    except ChatError as error:
        task.end("failed", error=str(error))
    finally:
        task.end("failed", error=UNEXPECTED)


class Tasks:
    """Every task of this process. Each owner sees its own and everybody's."""

    def __init__(self) -> None:
        self._tasks: list[Task] = []
        self._lock = threading.Lock()

    def begin(
        self, owner: Owner, kind: str, title: str, *, again: Callable[[], None] | None = None, dismissed: Callable[[], None] | None = None
    ) -> Task:
        """A new task, which runs. It takes the place of the same one that failed; the oldest ended ones of its owner are forgotten."""
        task = Task(owner, kind, title, again, dismissed)
        with self._lock:
            kept = [old for old in self._tasks if not (old.state in UNDONE and (old.owner, old.kind, old.title) == (owner, kind, title))]
            ended = [old for old in kept if old.owner == owner and old.state != "running"]
            forgotten = ended[: max(0, len(ended) - REMEMBERED + 1)]
            self._tasks = [old for old in kept if old not in forgotten] + [task]
        return task

    def of(self, owner: Owner) -> list[Task]:
        """What this owner may see, the latest first."""
        return [task for task in reversed(self._tasks) if task.owner in (owner, EVERYBODY)]

    def cancel(self, owner: Owner, id: str, *, local: bool) -> None:
        """Ask a running task to end. `local`: a person at this machine asks, who may end everybody's too."""
        task = self._found(owner, id, local)
        if task.state != "running":
            raise ChatError(f"“{task.title}” has ended already.", status=409)
        task.cancelling = True

    def retry(self, owner: Owner, id: str, *, local: bool) -> None:
        """Begin an ended task anew, in its place."""
        task = self._found(owner, id, local)
        if task.state not in UNDONE or task.again is None:
            raise ChatError(f"“{task.title}” cannot be begun again.", status=409)
        task.again()
        self.forget(task)

    def dismiss(self, owner: Owner, id: str, *, local: bool) -> None:
        """Take an ended task off the list."""
        task = self._found(owner, id, local)
        if task.state == "running":
            raise ChatError(f"“{task.title}” is running. Cancel it first.", status=409)
        self.forget(task)
        if task.dismissed:
            task.dismissed()

    def forget(self, task: Task) -> None:
        """It concerns nobody any more."""
        with self._lock:
            self._tasks = [other for other in self._tasks if other is not task]

    def stop(self, kinds: Collection[str], seconds: float) -> None:
        """The app ends: those of these kinds end at their next step, with what is half done. Waits at most so long for all."""
        with self._lock:
            running = [task for task in self._tasks if task.state == "running" and task.kind in kinds]
        for task in running:
            task.cancelling = True
        until = time.monotonic() + seconds
        for task in running:
            task.ended.wait(max(0.0, until - time.monotonic()))

    def _found(self, owner: Owner, id: str, local: bool) -> Task:
        """A task that this owner may change. Raises ChatError for another's as for one that there is not."""
        found = next((task for task in self.of(owner) if task.id == id), None)
        if found is None:
            raise NotFound("The task")
        if not may_change(found, owner, local):
            raise ChatError(f"“{found.title}” concerns everybody here: only the person at the app's machine can change it.", status=403)
        return found


def may_change(task: Task, owner: Owner, local: bool) -> bool:
    """Its owner; everybody's, the person at this machine."""
    return local or (task.owner == owner and task.owner != EVERYBODY)
