"""Training a classifier here, from the app's side: a child does the work, and its folder takes its place when it is whole."""

import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from chatapp.errors import ChatError
from chatapp.lab.classify.lesson import Lesson
from chatapp.tasks import Progress

ROOT = Path(__file__).resolve().parents[3]


def train(lesson: Lesson, out: Path, progress: Progress) -> str:
    """Train into the folder `out`, which must not be there; returns the accuracy in words. What `progress` raises ends the child.

    Raises ChatError where it cannot be written, or the child fails.
    """
    refuse(out)
    with tempfile.TemporaryDirectory(prefix=".classifier-", dir=made(out.parent)) as work:
        lesson.write(Path(work) / "lesson.json")
        said = _followed(Path(work), out.name, progress)
        try:
            (Path(work) / out.name).rename(out)
        except OSError as error:
            raise ChatError(f"{out} cannot be written: {error.strerror or error}.") from error
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
    command = [sys.executable, "-m", "chatapp.lab.classify.train_child", str(work / "lesson.json"), str(work / name)]
    given = {"stdout": subprocess.PIPE, "stderr": (work / "log").open("w"), "stdin": subprocess.DEVNULL, "text": True}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}, **given) as child:
        try:
            for line in _lines(child.stdout):
                if "error" in line:
                    raise ChatError(line["error"])
                if "done" in line:
                    return line["done"]
                progress(line["words"], line["share"])
        finally:
            child.kill()
    raise ChatError(f"The training ended without a word: {_last((work / 'log').open())}")


def _lines(stream: IO[str]) -> Iterator[dict]:
    """What the child says; what a library prints beside it is passed over (the Trainer prints its losses as a Python dict)."""
    for line in stream:
        if line.startswith('{"'):
            yield json.loads(line)


def _last(log: IO[str]) -> str:
    with log:
        lines = deque((line.strip() for line in log if line.strip()), maxlen=1)
    return (lines[0] if lines else "the system may have ended it for its memory")[:300]
