"""One sitting of a run, in this process: its folder is held meanwhile, and run.json says how it began and how it ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.train import checkpoints, history
from chatapp.tasks import Cancelled, Progress


@dataclass
class Sitting:
    """What the parts of a run share.

    say   progress in words
    tell  the same, where the work may be ended by it. Between steps somebody else sees it, and writes a checkpoint first.
    """

    folder: Path
    say: Progress

    @property
    def stopped(self) -> bool:
        """Does a person want the run to end?"""
        return (self.folder / history.STOP).exists()

    def tell(self, words: str, share: float | None) -> None:
        """Raises Cancelled once a person stops the run."""
        self.say(words, share)
        if self.stopped:
            raise Cancelled

    def log(self, kind: str, **values: Any) -> None:
        """An event, as soon as there is room for it."""
        self.until_written(partial(history.append, self.folder, kind, **values), self.folder / history.LOG)

    def until_written(self, write: Callable[[], None], target: Path) -> None:
        """See checkpoints. Raises Cancelled where a person stops the run meanwhile."""
        checkpoints.until_written(write, target, self.wait)

    def wait(self, why: str) -> None:
        """Nothing can be written, or '': now it can. Raises Cancelled where a person stops the run meanwhile."""
        history.pause(self.folder, why)
        self.tell(f"Paused: {why}" if why else "Going on", None)


def sat(folder: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """`work` is the run, from where it is to its end; what run.json says then. Raises ChatError, which run.json says too."""
    lock = history.hold(folder)
    (folder / history.STOP).unlink(missing_ok=True)
    history.update(folder, state="running", error="", began=history.written(folder).get("began") or time.time(), ended=None)
    try:
        return work()
    except Cancelled:
        history.update(folder, state="stopped", ended=time.time())
        return history.written(folder)
    except ChatError as error:
        history.update(folder, state="failed", error=str(error), ended=time.time())
        raise
    finally:
        history.release(lock)
