"""What a folder that was made from somebody's file knows: its sources, and who uses it; it can be removed when no source is left."""

import errno
import json
import os
from collections.abc import Iterable
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such locks: there, files that are open cannot be removed
    fcntl = None

LOCK, SOURCES = "lock", "sources.json"


def sources(folder: Path) -> list[str]:
    """Paths of the files that this was made from. Folders of killed apps and of older versions of this program name none."""
    try:
        return json.loads((folder / SOURCES).read_text())
    except (FileNotFoundError, ValueError):
        return []


def write_sources(folder: Path, paths: Iterable[str]) -> None:
    """All at once: another app may be reading."""
    new = folder / f"{SOURCES}.{os.getpid()}"
    new.write_text(json.dumps(sorted(paths)))
    new.replace(folder / SOURCES)


def locked(folder: Path, *, shared: bool) -> int | None:
    """An open file that holds the lock of a folder, or None where others hold it in the other way. Some network disks have no locks.

    The system frees it when the file is closed, or this process dies.
    """
    if fcntl is None:
        return None
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            os.close(file)
            return None
    return file
