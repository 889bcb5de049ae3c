"""A run's folder, as pages, commands and the training process read and write it. No PyTorch here.

`run.json` says what it is and how far, `log.jsonl` what happened, `progress.json` what is being done, `stop` that it shall end.
"""

import errno
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError, NotFound
from chatapp.lab.results import replace_file
from chatapp.lab.train import recipe as recipes
from chatapp.lab.train.recipe import Recipe
from chatapp.models.copies import fcntl, locked
from chatapp.models.trained import FOLDER as FOLDER
from chatapp.models.trained import RUN as RUN
from chatapp.models.trained import SNAPSHOTS as SNAPSHOTS
from chatapp.models.trained import TUNING as TUNING

RECIPE, LOG, PROGRESS, STOP, WORDS = "recipe.yaml", "log.jsonl", "progress.json", "stop", "child.log"

LIVING = ("running", "paused")
STATES = ("queued", *LIVING, "stopped", "done", "failed")

LOCKING = 1.0
"""Seconds for which the lock of a folder is tried: whoever looks holds it for a moment."""


def about(folder: Path) -> dict[str, Any]:
    """run.json, with the state as it is: a run whose process has died is stopped. Raises NotFound."""
    found = written(folder)
    if found["state"] in LIVING and not alive(folder):
        found |= {"state": "stopped", "error": found.get("error") or "Its process ended. It goes on from the newest whole checkpoint."}
    return found


def written(folder: Path) -> dict[str, Any]:
    """run.json as it stands. Raises NotFound."""
    try:
        return json.loads((folder / RUN).read_bytes())
    except (OSError, ValueError) as error:
        raise NotFound("The run") from error


def begin(folder: Path, recipe: Recipe) -> None:
    """A run that trains: see `begun`."""
    begun(folder, "train", recipe.name, {RECIPE: recipes.written(recipe)})


def begun(folder: Path, kind: str, name: str, files: Mapping[str, str]) -> None:
    """A new run's folder: all that it is asked for, as files, and what it is called. Raises ChatError where there is a run, or anything
    else. `kind` is 'train' or TUNING."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if other := next(folder.iterdir(), None):
            raise ChatError(f"{folder} is not empty (it holds {other.name}). Give --resume to go on with a run in it, or another --out.")
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ChatError(f"{folder} cannot be written: {error.strerror or error}. Give another --out.") from error
    update(folder, kind=kind, name=name, state="queued", error="", created=time.time(), began=None, ended=None)


def update(folder: Path, /, **values: Any) -> None:
    """Change what run.json says, all at once. Raises ChatError where it cannot be written."""
    before = written(folder) if (folder / RUN).exists() else {}
    replace_file(folder / RUN, json.dumps(before | values, ensure_ascii=False, indent=1).encode())


def append(folder: Path, kind: str, /, **values: Any) -> None:
    """One event as a line of log.jsonl: all of it, or nothing and OSError. A line that a kill cut before it is ended."""
    line = json.dumps({"kind": kind, **values}, ensure_ascii=False).encode() + b"\n"
    with (folder / LOG).open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size and file.seek(size - 1) >= 0 and file.read(1) != b"\n":
            line = b"\n" + line
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(size)
            raise


def events(folder: Path) -> list[dict[str, Any]]:
    """What happened, by step: of a step that a resumed run took again, the last. A line that is being written is not there yet."""
    last: dict[tuple[str, Any], dict[str, Any]] = {}
    for number, event in enumerate(_lines(folder / LOG)):
        last[event["kind"], event.get("step", f"line {number}")] = event
    return sorted(last.values(), key=lambda event: event.get("step", -1))


def of_kind(folder: Path, kind: str) -> list[dict[str, Any]]:
    """The events of one kind, by step."""
    return [event for event in events(folder) if event["kind"] == kind]


def listed(home: Path) -> list[dict[str, Any]]:
    """Every run below a folder, the latest first; `id` is the name of its folder."""
    found = []
    for place in home.glob(f"*/{RUN}"):
        with suppress(NotFound):  # one that is being deleted
            found.append(about(place.parent) | {"id": place.parent.name})
    return sorted(found, key=lambda run: run["created"], reverse=True)


def progress(folder: Path) -> tuple[str, float | None]:
    """(words, share) of what is being done."""
    try:
        found = json.loads((folder / PROGRESS).read_bytes())
        return found["words"], found["share"]
    except (OSError, ValueError):
        return "Beginning", None


def tell(folder: Path, words: str, share: float | None) -> None:
    """What is being done now; a disk that is full says it elsewhere."""
    beside = folder / f"{PROGRESS}.new"
    with suppress(OSError):
        beside.write_text(json.dumps({"words": words, "share": share}))
        beside.replace(folder / PROGRESS)


def hold(folder: Path) -> int | None:
    """The lock that a training process keeps until it ends. Raises ChatError where another has it, or nothing can be written; None where
    there are no locks."""
    until = time.monotonic() + LOCKING
    while fcntl is not None:
        try:
            lock = locked(folder, shared=False)
        except OSError as error:
            raise ChatError(f"{folder} cannot be written: {error.strerror or error}.", status=409) from error
        if lock is not None:
            return lock
        if time.monotonic() > until:
            raise ChatError(f"Another process works in {folder}. Wait for it, or stop it.", status=409)
        time.sleep(0.05)
    return None


def release(lock: int | None) -> None:
    """The process goes on, and trains no more."""
    if lock is not None:
        os.close(lock)


def pause(folder: Path, why: str) -> None:
    """The run waits, for there is no room to write, maybe not even for this; '' ends that."""
    with suppress(ChatError):
        update(folder, state="paused" if why else "running", error=why)


def alive(folder: Path) -> bool:
    """Does a process train there? Where there are no locks it is believed."""
    return fcntl is None or held(folder)


def held(folder: Path) -> bool:
    """Does a process work there, as far as locks tell?"""
    if fcntl is None:
        return False
    if (lock := locked(folder, shared=True)) is None:
        return True
    release(lock)
    return False


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = path.read_bytes()
    except OSError:
        return
    for line in data.split(b"\n"):
        with suppress(ValueError):  # cut by a kill
            yield json.loads(line)
