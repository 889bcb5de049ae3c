"""The processes that work for a training: followed line by line, and gone at once when somebody cancels, with what is half done."""

import ctypes
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from chatapp.models.copies import locked

ROOT = Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG = 1
LOOK = 0.1
"""Seconds after which whoever follows a process may look whether somebody cancelled."""


def followed(module: str, arguments: Sequence[str], folder: Path, errors: IO[str] | None = None) -> Iterator[str]:
    """Each line that `python -m module` prints, and '' where none came for LOOK, until it ends.

    It works in `folder`, with its temporary files; its errors are lines too where no file is given for them. Closing this ends it, with
    everything that it began.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)}
    given = {
        "cwd": folder,
        "env": environment,
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
