"""Training a classifier here, from the app's side: a child does the work, and its folder takes its place when it is whole."""

from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.child import scratch, worked
from chatapp.lab.classify.lesson import Lesson
from chatapp.tasks import Progress

CHILD = "chatapp.lab.classify.train_child"


def train(lesson: Lesson, out: Path, progress: Progress) -> str:
    """Train into the folder `out`, which must not be there; returns the accuracy in words. What `progress` raises ends the child.

    Raises ChatError where it cannot be written, or the child fails.
    """
    refuse(out)
    try:
        with scratch(made(out.parent), ".classifier-") as work:
            lesson.write(work / "lesson.json")
            said = worked(CHILD, [str(work / "lesson.json"), str(work / out.name)], work, progress)
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
