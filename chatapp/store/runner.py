"""Which process generates a reply, and is it still alive: a lock that the system frees when the process dies, however it dies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from chatapp.store.database import Database
from chatapp.turn import new_id

try:
    import fcntl
except ImportError:  # Windows: every other runner counts as dead, and a live one's finish() corrects that
    fcntl = None


class Runner:
    """This store's name in `turns.runner`, alive until close() or death."""

    def __init__(self, database: Database) -> None:
        self.id = new_id()
        self.database = database
        self._file: int | None = None
        self._connection: sa.Connection | None = None
        if database.path is not None and fcntl is not None:
            self._file = _held(self._path(self.id))
        elif not database.sqlite:
            self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection.execute(sa.select(sa.func.pg_advisory_lock(_key(self.id))))

    @property
    def can_tell(self) -> bool:
        """Whether alive() is certain of other processes."""
        return fcntl is not None or not self.database.sqlite

    def alive(self, connection: sa.Connection, runner: str) -> bool:
        """Is that runner's process there? Inside a transaction."""
        if runner == self.id:
            return True
        if not self.database.sqlite:
            return not connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_key(runner)))).scalar()
        if self.database.path is None or fcntl is None or not runner:
            return False
        return _locked(self._path(runner))

    def sweep(self) -> None:
        """Remove the lock files that dead processes left."""
        if self.database.path is not None and fcntl is not None:
            for path in self.database.path.parent.glob(f"{self.database.path.name}.run-*"):
                _sweep(path)

    def close(self) -> None:
        if self._file is not None:
            self._path(self.id).unlink(missing_ok=True)
            os.close(self._file)
            self._file = None
        if self._connection is not None:
            self._connection.invalidate()  # really closes it, which frees the lock; also when the server has gone away
            self._connection.close()
            self._connection = None

    def _path(self, runner: str) -> Path:
        return self.database.path.with_name(f"{self.database.path.name}.run-{runner}")


def _key(runner: str) -> int:
    return int(runner[:15] or "0", 16)  # 60 bits: fits PostgreSQL's bigint


def _held(path: Path) -> int:
    """The file, open and locked. It is made anew if somebody swept it away between its creation and its lock."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_SH)
        if _is_at(file, path):
            return file
        os.close(file)


def _locked(path: Path) -> bool:
    with suppress(FileNotFoundError), _taken(path) as file:
        return file is None
    return False


def _sweep(path: Path) -> None:
    """Remove a file that nobody has locked, under a lock: who is about to lock it waits, and sees that it is gone."""
    with suppress(FileNotFoundError), _taken(path) as file:
        if file is not None and _is_at(file, path):
            path.unlink()


@contextmanager
def _taken(path: Path) -> Iterator[int | None]:
    """The file, locked for this block alone; None when somebody else has locked it."""
    file = os.open(path, os.O_RDWR)
    try:
        yield file if _lockable(file) else None
    finally:
        os.close(file)


def _lockable(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False
