"""The lock files of processes: one that is being made is never lost, one whose process is gone is swept away."""

import fcntl
import os
import threading
from pathlib import Path

from chatapp.store import runner


def test_a_lock_file_swept_away_before_it_was_locked_is_made_anew(tmp_path: Path) -> None:
    path, held = tmp_path / "chat.db.run-1", []
    sweeper = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(sweeper, fcntl.LOCK_EX)
    starting = threading.Thread(target=lambda: held.append(runner._held(path)))
    starting.start()
    starting.join(0.1)
    assert starting.is_alive(), "it waits for the lock of a file that it has found or made"
    path.unlink()
    os.close(sweeper)
    starting.join(5)
    assert os.path.samestat(os.fstat(held[0]), path.stat()) and runner._locked(path)
    runner._sweep(path)
    assert path.exists(), "a locked file stays"
    os.close(held[0])
    runner._sweep(path)
    assert not path.exists()
