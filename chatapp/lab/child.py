"""The processes that do long work beside the app: followed line by line, gone at once when somebody cancels, with what is half done."""

import ctypes
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from chatapp.errors import ChatError
from chatapp.models.copies import locked
from chatapp.tasks import Progress

ROOT = Path(__file__).resolve().parents[2]
PR_SET_PDEATHSIG = 1
LOOK = 0.1
"""Seconds after which whoever follows a process may look whether somebody cancelled."""


LONGEST = 500
"""Characters of a child's last words."""


def environment() -> dict[str, str]:
    """This process's, with this very program to import."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def worked(module: str, arguments: Sequence[str], folder: Path, progress: Progress) -> str:
    """What `python -m module` says at its end by `say(done=…)`. `progress` is told ten times a second, the same where nothing is new, so
    that it can end this. Raises ChatError for what it says by `say(error=…)`, and where it ends without a word.
    """
    words, share = "It begins", 0.0
    with (folder / "log").open("w") as log, closing(followed(module, arguments, folder, log)) as lines:
        for line in map(_read, lines):
            if "error" in line:
                raise ChatError(line["error"])
            if "done" in line:
                return line["done"]
            words, share = line.get("words", words), line.get("share", share)
            progress(words, share)
    raise ChatError(f"The work ended without a word: {last_words(folder / 'log') or 'the system may have ended it for its memory'}")


def say(**line: Any) -> None:
    """In the child: words and share, done, or error."""
    print(json.dumps(line), flush=True)


def last_words(log: Path) -> str:
    """The last line that a process wrote there; '' for none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:LONGEST] if lines else ""


def followed(module: str, arguments: Sequence[str], folder: Path, errors: IO[str] | None = None) -> Iterator[str]:
    """Each line that `python -m module` prints, and '' where none came for LOOK, until it ends.

    It works in `folder`, with its temporary files; its errors are lines too where no file is given for them. Closing this ends it, with
    everything that it began.
    """
    given = {
        "cwd": folder,
        "env": {**environment(), "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)},
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": errors or subprocess.STDOUT,
    }
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, text=True, errors="replace", start_new_session=True, **given) as child:
        try:
            yield from _lines(child.stdout)
        finally:
            _kill(child)


def _read(line: str) -> dict[str, Any]:
    """What the child says; what a library prints beside it is passed over (transformers' Trainer prints its losses as a Python dict)."""
    return json.loads(line) if line.startswith('{"') else {}


def _lines(stream: IO[str]) -> Iterator[str]:
    came: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in stream:
            came.put(line)
        came.put(None)

    threading.Thread(target=read, name="lines of a child", daemon=True).start()
    while True:
        try:
            line = came.get(timeout=LOOK)
        except queue.Empty:
            line = ""
        if line is None:
            return
        yield line


def _kill(child: subprocess.Popen) -> None:
    """Nobody has waited for it yet, so that its number is still its own."""
    if not hasattr(os, "killpg"):  # Windows
        child.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def die_with_parent() -> None:
    """To be called in the child. Linux kills it when the thread that began it ends, however that is; elsewhere it goes on to its end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@contextmanager
def scratch(home: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `home` for what is half done, gone at the end. Those that killed processes left there go first."""
    for left in home.glob(f"{prefix}*"):
        _sweep(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=home, ignore_cleanup_errors=True) as name:
        lock = locked(Path(name), shared=True)
        try:
            yield Path(name)
        finally:
            if lock is not None:
                os.close(lock)


def _sweep(left: Path) -> None:
    """Remove it where no process holds it any more."""
    with suppress(FileNotFoundError):
        if (lock := locked(left, shared=False)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
