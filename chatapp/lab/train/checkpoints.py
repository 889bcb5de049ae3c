"""Checkpoints of a run: which are whole, and how one is written where the disk may be full."""

import json
import re
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from chatapp.models.memory import gigabytes

NAME = re.compile(r"checkpoint-(\d+)")
ZIPPED = ("optimizer.pt", "scheduler.pt", "rng_state.pth")
WEIGHTS, STATE = "model.safetensors", "trainer_state.json"

AGAIN = 2.0
"""Seconds between two tries to write what found no room."""


def numbered(folder: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every checkpoint, whole or not, the newest first."""
    found = [(int(match[1]), place) for place in folder.glob("checkpoint-*") if (match := NAME.fullmatch(place.name))]
    return sorted(found, reverse=True)


def newest_whole(folder: Path) -> tuple[Path | None, list[Path]]:
    """(the newest checkpoint that is whole, those after it that are not)"""
    damaged: list[Path] = []
    for _, place in numbered(folder):
        if is_whole(place):
            return place, damaged
        damaged.append(place)
    return None, damaged


def is_whole(place: Path) -> bool:
    """Weights of the length that their header says, archives whose sums agree, and a state that can be read. A kill leaves less."""
    try:
        state = json.loads((place / STATE).read_bytes())
        return state["global_step"] > 0 and _safetensors(place / WEIGHTS) and all(_zip(place / name) for name in ZIPPED)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _safetensors(path: Path) -> bool:
    """Eight bytes of length, a header in JSON, and data up to the last offset in it."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            return False
        header = json.loads(file.read(length))
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return path.stat().st_size == 8 + length + max(ends, default=0)


def _zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def no_room(error: Exception) -> bool:
    """Is it one that a writer of files raises? PyTorch and safetensors have no exception of their own kind for a full disk."""
    return isinstance(error, OSError) or type(error).__name__ == "SafetensorError" or _of_pytorch(error)


def _of_pytorch(error: Exception) -> bool:
    """What torch.save raises on a full disk: what the C++ stream says where all is small, else that the place in the file is not the one
    it should be."""
    return any(words in str(error) for words in ("PytorchStreamWriter", "inline_container", "iostream error"))


def until_written(write: Callable[[], None], target: Path, wait: Callable[[str], None]) -> None:
    """Write `target`; where there is no room a folder that was begun is taken away, `wait` is told why, and it is tried again.

    `wait` ends it by raising; it is told '' when there was room at last.
    """
    waited = False
    while True:
        try:
            write()
            break
        except (OSError, RuntimeError, _safetensor_error()) as error:
            if not no_room(error):
                raise
            if target.is_dir():
                shutil.rmtree(target, ignore_errors=True)
            wait(_said(error, target))
            waited = True
            time.sleep(AGAIN)
    if waited:
        wait("")


def _safetensor_error() -> type[Exception]:
    from safetensors import SafetensorError

    return SafetensorError


def _said(error: Exception, target: Path) -> str:
    free = gigabytes(shutil.disk_usage(target.parent).free)
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
    why = "PyTorch could not write all of it" if _of_pytorch(error) else why
    cure = "Free some space: the run waits and loses nothing."
    return f"{target.name} cannot be written ({why[:200]}); {free} are free in {target.parent}. {cure}"
