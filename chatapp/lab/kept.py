"""Runs that are kept: each owner's in the data folder, found by their ids, watched while they run, taken up again after a restart."""

import asyncio
import hashlib
import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.lab import results
from chatapp.lab.compare import Comparison, driven
from chatapp.lab.grid import Grid
from chatapp.lab.results import Results, replace_file
from chatapp.lab.rows import Row, failed, key_of
from chatapp.settings import Settings
from chatapp.turn import new_id

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager
    from chatapp.xray.inspector import Inspector

MOST_RUNS = 50
"""Of one owner: a visitor cannot fill the disk."""

MOST_RUNNING = 2
"""Of one owner at a time: all rows of a run are in memory while it runs."""

LONGEST_TITLE = 100
ID = re.compile(r"[0-9a-f]{32}")
RESULTS, ABOUT, CHATS = "results.jsonl", "about.json", "chats.json"

FOLDER = "compare"
"""Where the runs are, in the data folder."""


@dataclass(frozen=True)
class KeptRun:
    """What a list of runs shows. `replies` of `cells` are there; `running` here and now."""

    id: str
    title: str
    created: float
    cells: int
    replies: int
    running: bool


class Runs:
    """All runs below `folder`, a folder for each owner. Those that run do so as tasks of the server, on its event loop.

    `inspector` is X-ray's bench, which the server gives: by it a grid's judge reads.
    """

    def __init__(self, folder: Path, models: "ModelManager") -> None:
        self.folder, self.models = folder, models
        self._running: dict[str, tuple[Comparison, asyncio.Task[None]]] = {}
        self.inspector: Inspector | None = None

    def begin(self, owner: Owner, grid: Grid, *, title: str, may_load: bool) -> str:
        """Start a new run; its id. Raises ChatError where the owner has too many."""
        self._refuse_more(owner)
        if len(self.listed(owner)) >= MOST_RUNS:
            raise ChatError(f"You keep {MOST_RUNS} comparisons, which is the most. Delete one.", status=409)
        id = new_id()
        place = self._of(owner) / id
        place.mkdir(parents=True)
        about = {"title": title.strip()[:LONGEST_TITLE] or "Comparison", "created": time.time(), "cells": len(grid.cells())}
        replace_file(place / ABOUT, json.dumps(about).encode())
        self._start(owner, id, grid, may_load)
        return id

    def go_on(self, owner: Owner, id: str, *, may_load: bool) -> None:
        """Take a run up again: what failed and what is missing is made. One that runs goes on."""
        if running := self.running(owner, id):
            running.go_on()
            return
        self._start(owner, id, self.read(owner, id)[0], may_load)

    def running(self, owner: Owner, id: str) -> Comparison | None:
        """The live run, where it runs: its rows, the turns being written, pause and stop."""
        self._place(owner, id)
        return self._running[id][0] if id in self._running else None

    def read(self, owner: Owner, id: str) -> tuple[Grid, list[Row]]:
        """Its grid and the rows so far. Raises NotFound for another's as for none."""
        return results.read(self._place(owner, id) / RESULTS)

    def listed(self, owner: Owner) -> list[KeptRun]:
        """The latest first."""
        found = []
        for place in self._of(owner).glob("*/" + ABOUT):
            with suppress(OSError, ValueError, TypeError):  # one that is being deleted, or was never begun
                about = json.loads(place.read_bytes())
                stat = (rows := place.parent / RESULTS).stat()
                replies = _lines(rows, stat.st_mtime_ns, stat.st_size)
                found.append(KeptRun(place.parent.name, **about, replies=replies, running=place.parent.name in self._running))
        return sorted(found, key=lambda run: run.created, reverse=True)

    async def stop(self, owner: Owner, id: str) -> None:
        """End a run; what is there stays."""
        self._place(owner, id)
        await self._stop(id)

    async def delete(self, owner: Owner, id: str) -> None:
        """Stop a run and erase it."""
        place = self._place(owner, id)
        await self._stop(id)
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def erase(self, owner: Owner) -> None:
        """Everything of this owner."""
        for run in self.listed(owner):
            await self.delete(owner, run.id)
        await asyncio.to_thread(shutil.rmtree, self._of(owner), ignore_errors=True)

    async def shutdown(self) -> None:
        """Stop every run; each can be taken up again."""
        await asyncio.gather(*map(self._stop, self._running))

    def _start(self, owner: Owner, id: str, grid: Grid, may_load: bool) -> None:
        place = self._place(owner, id)
        self._refuse_more(owner)
        about = json.loads((place / ABOUT).read_bytes())
        again = partial(self.go_on, owner, id, may_load=may_load)
        opened = Results(place / RESULTS, grid)
        task = self.models.tasks.begin(owner, "compare", f"Compare: {about['title']}", again=again)
        address = f"./compare#{id}"
        run = Comparison(opened, self.models, owner=owner, task=task, may_load=may_load, address=address, inspector=self.inspector)
        work = asyncio.get_running_loop().create_task(driven(run), name=f"run {id}")
        self._running[id] = run, work
        work.add_done_callback(lambda _: self._running.pop(id, None))

    def _refuse_more(self, owner: Owner) -> None:
        if sum(run.owner == owner for run, _ in self._running.values()) >= MOST_RUNNING:
            raise ChatError(f"{MOST_RUNNING} comparisons of yours are running. Wait for one, or stop one.", status=409)

    async def _stop(self, id: str) -> None:
        if id in self._running:
            run, work = self._running[id]
            run.task.cancelling = True
            await asyncio.wait({work})

    def _of(self, owner: Owner) -> Path:
        """Owners are secrets, so that their folders have other names."""
        return self.folder / hashlib.sha256(owner.encode()).hexdigest()[:32]

    def _place(self, owner: Owner, id: str) -> Path:
        place = self._of(owner) / id
        if not ID.fullmatch(id) or not place.is_dir():
            raise NotFound("The comparison")
        return place


async def row_of(runs: Runs, owner: Owner, id: str, key: tuple[int, str, int]) -> Row:
    """The reply of a run, running or not. Raises NotFound where there is none, or it failed."""
    run = runs.running(owner, id)
    rows = list(run.rows.values()) if run else (await asyncio.to_thread(runs.read, owner, id))[1]
    row = next((row for row in rows if key_of(row) == key), None)
    if row is None or failed(row):
        raise NotFound("The reply")
    return row


def chat_of(runs: Runs, owner: Owner, id: str, key: tuple[int, str, int]) -> str:
    """The turn of the chat that a reply was taken on as, '' where none was; it may have been deleted since."""
    return _chats(runs._place(owner, id)).get(json.dumps(key), "")


def note_chat(runs: Runs, owner: Owner, id: str, key: tuple[int, str, int], turn: str) -> None:
    """It is found again when the same reply is taken on once more."""
    place = runs._place(owner, id)
    replace_file(place / CHATS, json.dumps(_chats(place) | {json.dumps(key): turn}).encode())


def _chats(place: Path) -> dict[str, str]:
    return json.loads((place / CHATS).read_bytes()) if (place / CHATS).exists() else {}


def all_runs(models: "ModelManager", settings: Settings) -> Runs:
    """Those of everybody, in the data folder."""
    return Runs(settings.data_dir / FOLDER, models)


@lru_cache(maxsize=1000)
def _lines(path: Path, changed: int, size: int) -> int:
    """Rows of a file as it was then, a line each; it may have a hundred megabytes."""
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") and not line.startswith(results.JUDGED) for line in file)
