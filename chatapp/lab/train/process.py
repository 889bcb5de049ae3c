"""The child process of a run, or of a plan: started behind everything else, with its words in the run's folder."""

import os
import subprocess
import sys
from pathlib import Path

from chatapp.engines.cores import usable_cores
from chatapp.engines.llamacpp.requantize import ROOT
from chatapp.lab.train import history

PASSIVE = "PASSIVE"
"""OMP_WAIT_POLICY: threads that spin while they wait take the time of all that works beside them. Set before PyTorch is imported."""


def begun(folder: Path, *, threads: int = 0) -> subprocess.Popen:
    """A process that trains in `folder` until its end. It ends in good order when its standard input does, so when this process does."""
    with (folder / history.WORDS).open("wb") as words:
        return subprocess.Popen(command(folder, threads), env=environment(), stdin=subprocess.PIPE, stdout=words, stderr=words)


def command(folder: Path, threads: int, *more: str) -> list[str]:
    """`threads` 0 takes all cores that are usable: a lower priority yields them, not a smaller number."""
    return [sys.executable, "-P", "-m", "chatapp.lab.train.child", str(folder), str(threads or usable_cores()), *more]


def environment() -> dict[str, str]:
    """This process's, with this very program to import."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def last_words(folder: Path) -> str:
    """The last line that the process said; '' for none."""
    try:
        lines = (folder / history.WORDS).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:500] if lines else ""
