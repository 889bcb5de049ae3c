"""Runs of the app: one trains at a time, others wait; each is a task, kept in the data folder, and gone on with whatever ended it."""

import re
import shutil
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.lab.finetune.asked import Tuning
from chatapp.lab.train import history, process
from chatapp.lab.train.line import Line
from chatapp.lab.train.recipe import LONGEST_NAME, Recipe
from chatapp.models.trained import MERGED
from chatapp.settings import Settings
from chatapp.tasks import Cancelled, Step, Task, Tasks
from chatapp.turn import new_id

ID = re.compile(r"[0-9a-f]{32}")
LOOK = 0.3
"""Seconds between two looks at what a run says of itself."""

LAST = 2.5
"""Seconds that a run has for its last step and checkpoint when the app ends. One that needs longer is ended as it is, and goes on from the
checkpoint before."""


class Runs:
    """All runs below `folder`. Of everybody who may train here, which is the person at this machine."""

    def __init__(self, folder: Path, tasks: Tasks, *, threads: int = 0) -> None:
        self.folder, self.tasks, self.threads = folder, tasks, threads
        self._line = Line(self._run)
        self._child: subprocess.Popen | None = None
        self._opened, self._sat = time.time(), defaultdict[str, list[tuple[float, float]]](list)
        self.since: float | None = None
        """When the process that trains now was begun."""

    def begin(self, owner: Owner, asked: Recipe | Tuning) -> str:
        """A new run, which starts or waits for its turn; its id. Raises ChatError."""
        place = self.folder / (id := new_id())
        if isinstance(asked, Recipe):
            history.begin(place, asked)
        else:
            history.begun(place, history.TUNING, asked.name, asked.files())
        self._enqueue(owner, id)
        return id

    def resume(self, owner: Owner, id: str) -> None:
        """Go on with a run that came to no end. Raises ChatError where it did, or runs."""
        state = self.about(id)["state"]
        if state in (*history.LIVING, "done") or self._line.holds(id):
            raise ChatError(f"The run {'has come to its end' if state == 'done' else 'is running, or waits for its turn'}.", status=409)
        self._enqueue(owner, id)

    def stop(self, id: str) -> None:
        """End a run within its next step, or take it out of the queue; what it has learned stays. Nothing where it does not run."""
        place = self.place(id)
        self._line.cancel(id)
        if history.about(place)["state"] in history.LIVING:
            (place / history.STOP).touch()

    def rename(self, id: str, name: str) -> None:
        """Raises ChatError for a name that is too long, or none."""
        name = " ".join(name.split())
        if not 1 <= len(name) <= LONGEST_NAME:
            raise ChatError(f"A run's name has 1 to {LONGEST_NAME} characters; this one has {len(name)}.", status=422)
        history.update(self.place(id), name=name)

    def delete(self, id: str) -> None:
        """Erase a run. Raises ChatError where it runs."""
        place = self.place(id)
        if self._line.holds(id) or history.about(place)["state"] in history.LIVING:
            raise ChatError("The run is running, or waits for its turn. Stop it first.", status=409)
        if history.held(place):
            raise ChatError("Another process works in the run, perhaps it is being merged. Wait for it.", status=409)
        shutil.rmtree(place)

    def about(self, id: str) -> dict[str, Any]:
        """run.json as it holds. A run that waited when the app ended waits no more; one that is stopping runs until its process is gone."""
        place = self.place(id)
        found, here = history.about(place) | {"id": id}, self._line.holds(id)
        if found.get("kind") == history.TUNING:
            found |= {"folder": str(place), "merged": (place / MERGED).is_dir()}
        if found["state"] == ("stopped" if here else "queued"):
            found["state"] = "running" if here else "stopped"
        elif found["state"] == "queued" and self._line.trains(id):
            found["state"] = "running"  # its process is starting
        return found

    def listed(self) -> list[dict[str, Any]]:
        """The latest first."""
        return [self.about(run["id"]) for run in history.listed(self.folder)]

    def spans(self) -> list[tuple[float, float]]:
        """When runs trained: each sitting of this app's; of what others began, and of before, all from a run's begin to its end."""
        found = [span for spans in self._sat.values() for span in spans]
        for run in history.listed(self.folder):
            end = run["ended"] or time.time()
            end = min(end, self._opened) if run["id"] in self._sat else end
            if run["began"] and run["began"] < end:
                found.append((run["began"], end))
        return found

    def place(self, id: str) -> Path:
        """The folder of a run. Raises NotFound."""
        place = self.folder / id
        if not ID.fullmatch(id) or not (place / history.RUN).is_file():
            raise NotFound("The run")
        return place

    def shutdown(self) -> None:
        """The app ends: the run writes a checkpoint and stops, what waits begins no more. Takes LAST seconds and a half at the most."""
        if (current := self._line.close()) is None:
            return
        self.stop(current)
        if not self._line.rests(LAST) and (child := self._child) is not None:
            child.kill()
            self._line.rests(0.5)

    def _enqueue(self, owner: Owner, id: str) -> None:
        place = self.place(id)
        found = history.written(place)
        title = f"{'Fine-tune' if found.get('kind') == history.TUNING else 'Train'}: {found['name']}"
        task = self.tasks.begin(owner, "train", title, again=partial(self.resume, owner, id))
        task.step = Step("Waits for its turn")
        history.update(place, state="queued", error="")
        (place / history.PROGRESS).unlink(missing_ok=True)
        self._line.add(id, task)

    def _run(self, id: str, task: Task) -> None:
        place = self.folder / id
        try:
            if not task.cancelling:
                self._child, self.since = process.begun(place, threads=self.threads), time.time()
                follow(self._child, place, task, self._drop_cancelled)
        except (ChatError, OSError) as error:
            history.update(place, state="failed", error=str(error))
        if self.since is not None:
            self._sat[id].append((self.since, time.time()))
        self.since = None
        self._end(id, task)

    def _end(self, id: str, task: Task) -> None:
        """What the run came to, as its task says it."""
        found = history.about(self.folder / id)
        if found["state"] == "queued":
            history.update(self.folder / id, state="stopped")
        states = {"done": "done", "failed": "failed"}
        task.end(states.get(found["state"], "cancelled"), error=found["error"], result=f"./train#{id}")

    def _drop_cancelled(self) -> None:
        """Tasks that were cancelled in the tray while they waited."""
        for id, task in self._line.drop_cancelled():
            self._end(id, task)


def follow(child: subprocess.Popen, place: Path, task: Task, meanwhile: Callable[[], None]) -> None:
    """Until the child has ended: its progress goes to the task, and a person's wish to end it to the child."""
    with child:
        while child.poll() is None:
            try:
                task.tell(*history.progress(place))
            except Cancelled:
                (place / history.STOP).touch()
            meanwhile()
            with suppress(subprocess.TimeoutExpired):
                child.wait(LOOK)
    if (found := history.written(place))["state"] in (*history.LIVING, "queued"):
        history.update(place, ended=time.time(), **_cut(child.returncode, place, found))


def _cut(status: int, place: Path, found: dict[str, Any]) -> dict[str, str]:
    """State and error of a run whose process ended without a word of its own."""
    if status < 0:
        return {"state": "stopped", "error": f"Its process was ended by signal {-status}. It goes on from the newest whole checkpoint."}
    return {"state": "failed", "error": process.last_words(place) or f"Its process ended with status {status}."}


def all_runs(tasks: Tasks, settings: Settings) -> Runs:
    """Those of the data folder."""
    return Runs(settings.data_dir / history.FOLDER, tasks)
