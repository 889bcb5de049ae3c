"""The child process of a run, or of a plan: started behind everything else, with its words in the run's folder."""

import subprocess
import sys
from pathlib import Path

from chatapp.engines.cores import usable_cores
from chatapp.lab import child
from chatapp.lab.train import history

PASSIVE = "PASSIVE"
"""OMP_WAIT_POLICY: threads that spin while they wait take the time of all that works beside them. Set before PyTorch is imported."""


def begun(folder: Path, *, threads: int = 0) -> subprocess.Popen:
    """A process that trains, or fine-tunes, in `folder`. It ends in good order when its standard input does, so when this process does."""
    with (folder / history.WORDS).open("wb") as words:
        return subprocess.Popen(command(folder, threads), env=child.environment(), stdin=subprocess.PIPE, stdout=words, stderr=words)


def command(folder: Path, threads: int, *more: str) -> list[str]:
    """`threads` 0 takes all cores that are usable: a lower priority yields them, not a smaller number."""
    return [sys.executable, "-P", "-m", "chatapp.lab.train.child", str(folder), str(threads or usable_cores()), *more]


def last_words(folder: Path) -> str:
    """The last line that a run's process said; '' for none."""
    return child.last_words(folder / history.WORDS)
