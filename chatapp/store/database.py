"""A connection to SQLite or PostgreSQL: read() and write() are its two doors, and every failure leaves as a StoreError.

SQLite runs in WAL mode with synchronous=NORMAL: a commit survives `kill -9` of this process, because the system already has the bytes;
only a power cut can take the last commits, and never the file's integrity.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import StaticPool

from chatapp.store.errors import FOREIGN, LOCKED, READ_ONLY, SENTENCES, StoreError, explained

PATIENCE = 10.0
"""Seconds to wait for a lock that another program holds."""

CONNECTIONS = 16

OURS = {"alembic_version", "conversations"}
"""Tables of every version of the schema."""


class Database:
    """`path` is None for PostgreSQL and for memory; `where` says where the database is, without its password.

    Messages say so, too, until it is open; after that they are read on pages, by anybody, and name it only.
    """

    def __init__(self, url: str | sa.URL, *, patience: float = PATIENCE) -> None:
        self.patience = patience
        parsed = _parsed(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.memory = self.sqlite and parsed.database in (None, "", ":memory:")
        self.path = Path(parsed.database) if self.sqlite and not self.memory else None
        self.where = str(self.path) if self.path else "in memory" if self.memory else parsed.render_as_string(hide_password=True)
        self._named = self.where
        self._short = self.path.name if self.path else parsed.database or "in memory"
        lock = threading.RLock()
        # one writer at a time: waiting on a lock here is fair and instant, SQLite's own waiting polls. Memory is one shared connection.
        self._writes: AbstractContextManager[Any] = lock if self.sqlite else nullcontext()
        self._reads: AbstractContextManager[Any] = lock if self.memory else nullcontext()
        self.engine = self._sqlite(parsed) if self.sqlite else self._postgres(parsed)
        self._writer = self.engine.execution_options(begin="BEGIN IMMEDIATE")
        if self.path is not None:
            self._prepare_file(self.path)

    def opened(self) -> None:
        """It is what it should be, and the person who started the app knows where."""
        self._named = self._short

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view; writes made through it are rolled back."""
        with self._reads, self.told(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it or nothing."""
        with self._writes, self.told(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def bare(self) -> Iterator[sa.Connection]:
        """A connection outside any transaction, for VACUUM and checkpoints."""
        with self._writes, self.told(), self.engine.connect() as connection:
            # not AUTOCOMMIT on SQLite: SQLAlchemy would give the connection back with Python's implicit transactions turned on
            yield connection.execution_options(begin="") if self.sqlite else connection.execution_options(isolation_level="AUTOCOMMIT")

    def tidy(self) -> None:
        """Statistics for the planner, and the log written back: worth it after very much was added."""
        with self.bare() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)" if self.sqlite else "VACUUM ANALYZE").close()
            if self.sqlite:
                connection.exec_driver_sql("ANALYZE")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Driver errors leave as sentences."""
        try:
            yield
        except (DBAPIError, sqlite3.Error) as error:
            told = explained(error, self._named, self.patience)
            if told is None:
                raise
            raise told from error
        except PoolTimeout as error:
            raise StoreError(SENTENCES[LOCKED].format(where=self._named, patience=self.patience), LOCKED) from error

    def close(self) -> None:
        self.engine.dispose()

    def _sqlite(self, url: sa.URL) -> sa.Engine:
        arguments = {"timeout": self.patience, "isolation_level": None, "check_same_thread": False}
        pool: dict[str, Any] = {"poolclass": StaticPool} if self.memory else {"pool_size": CONNECTIONS, "max_overflow": CONNECTIONS}
        engine = sa.create_engine(url, connect_args=arguments, **pool)
        sa.event.listen(engine, "connect", _pragmas)
        sa.event.listen(engine, "begin", _begin)
        return engine

    def _postgres(self, url: sa.URL) -> sa.Engine:
        arguments = {"connect_timeout": max(2, int(self.patience)), "options": f"-c jit=off -c lock_timeout={int(self.patience * 1000)}"}
        try:
            return sa.create_engine(url, connect_args=arguments, pool_size=CONNECTIONS, pool_timeout=self.patience, pool_pre_ping=True)
        except ModuleNotFoundError as error:
            line = "PostgreSQL needs its driver, which is not installed. Run: python -m pip install 'psycopg[binary]>=3.2'"
            raise StoreError(line, "setup") from error

    def _prepare_file(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # only a new file: closing a file frees every lock that this process holds on it, also those of another Store's SQLite
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))  # SQLite gives its -wal and -shm the same mode
        except FileExistsError:
            self._refuse_foreign()
        except OSError as error:
            line = f"The chats cannot be kept in {path}: {error.strerror}. Change its permissions, or start with another --data-dir."
            raise StoreError(line, READ_ONLY) from error
        self._wal()

    def _refuse_foreign(self) -> None:
        """Raises StoreError for a file with the tables of another program. Only looks: even the change to WAL would write into the file."""
        with self.bare() as connection:
            tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
        if tables and not tables >= OURS:
            raise StoreError(SENTENCES[FOREIGN].format(where=self.where, tables=", ".join(sorted(tables)[:3])), FOREIGN)

    def _wal(self) -> None:
        deadline = time.monotonic() + self.patience
        while True:  # the change of mode does not wait for its lock by itself
            try:
                with self.bare() as connection:
                    connection.exec_driver_sql("PRAGMA journal_mode=WAL").close()  # unread, it could be a statement in progress yet
                return
            except StoreError as error:
                if error.kind != LOCKED or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)


def _parsed(url: str | sa.URL) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise StoreError("--database-url is no database address. It looks like postgresql://user:password@host/name", "setup") from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("postgresql+psycopg", "sqlite"):
        return parsed
    raise StoreError(
        f"{parsed.drivername} databases are not supported; use postgresql://… or leave --database-url empty for SQLite.", "setup"
    )


def _pragmas(connection: sqlite3.Connection, record: object) -> None:
    for pragma in ("foreign_keys=ON", "synchronous=NORMAL", "secure_delete=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    statement = connection.get_execution_options().get("begin", "BEGIN")
    if statement:
        connection.exec_driver_sql(statement)
