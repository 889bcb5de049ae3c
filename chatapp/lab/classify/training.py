"""Training a classifier here, from the app's side: a child does the work, and its folder takes its place when it is whole."""

import json
from collections import deque
from contextlib import closing
from pathlib import Path
from typing import IO

from chatapp.errors import ChatError
from chatapp.lab.classify.child import followed, scratch
from chatapp.lab.classify.lesson import Lesson
from chatapp.tasks import Progress

BEGINS = "The training begins"


def train(lesson: Lesson, out: Path, progress: Progress) -> str:
    """Train into the folder `out`, which must not be there; returns the accuracy in words. What `progress` raises ends the child.

    Raises ChatError where it cannot be written, or the child fails.
    """
    refuse(out)
    try:
        with scratch(made(out.parent), ".classifier-") as work:
            lesson.write(work / "lesson.json")
            said = _followed(work, out.name, progress)
            (work / out.name).rename(out)
    except OSError as error:
        raise ChatError(f"{out} cannot be written: {error.strerror or error}. Free some space there, or choose another folder.") from error
    return said


def refuse(out: Path) -> None:
    """Raises ChatError for a folder that holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ChatError(f"{out} is there already. Name a new folder by --out, or delete it.", status=409)


def made(folder: Path) -> Path:
    """Raises ChatError for a folder that cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChatError(f"{folder} cannot be written: {error.strerror or error}. Choose another folder.") from error
    return folder


def free_name(folder: Path, name: str) -> Path:
    """`folder`/name, or with the first number behind it that is free."""
    return next(path for n in range(1, 10_000) if not (path := folder / (name if n == 1 else f"{name}-{n}")).exists())


def _followed(work: Path, name: str, progress: Progress) -> str:
    """`progress` is told ten times a second, the same where nothing is new, so that it can end this."""
    words, share = BEGINS, 0.0
    arguments = [str(work / "lesson.json"), str(work / name)]
    with (work / "log").open("w") as log, closing(followed("chatapp.lab.classify.train_child", arguments, work, log)) as lines:
        for line in map(_read, lines):
            if "error" in line:
                raise ChatError(line["error"])
            if "done" in line:
                return line["done"]
            words, share = line.get("words", words), line.get("share", share)
            progress(words, share)
    raise ChatError(f"The training ended without a word: {_last((work / 'log').open())}")


def _read(line: str) -> dict:
    """What the child says; what a library prints beside it is passed over (the Trainer prints its losses as a Python dict)."""
    return json.loads(line) if line.startswith('{"') else {}


def _last(log: IO[str]) -> str:
    with log:
        lines = deque((line.strip() for line in log if line.strip()), maxlen=1)
    return (lines[0] if lines else "the system may have ended it for its memory")[:300]
