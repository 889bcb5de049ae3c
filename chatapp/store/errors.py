"""What a database says, as a sentence and its cure."""

import sqlite3

from sqlalchemy.exc import DBAPIError

from chatapp.errors import ChatError

FULL, LOCKED, READ_ONLY, NEWER, CORRUPT = "full", "locked", "read-only", "newer", "corrupt"
UNREACHABLE, FOREIGN = "unreachable", "foreign"


class StoreError(ChatError):
    """The database could not do it. `kind` is one of the names above, or 'setup'; nothing of the failed step was written."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message, status=507 if kind == FULL else 503)
        self.kind = kind


SENTENCES = {
    FULL: "The disk that holds the chats ({where}) is full, so nothing more can be saved. Free some space; then send again.",
    LOCKED: "The database ({where}) was busy for {patience:g} seconds: another program holds it. Close that program or try again.",
    READ_ONLY: "The chats in {where} cannot be written: the file or its folder is read-only, or belongs to somebody else. "
    "Change its permissions, or start with another --data-dir.",
    CORRUPT: "{where} is damaged or is no chat database ({detail}). Put back a backup, or move the file away to begin with an empty one.",
    FOREIGN: "{where} is the database of another program: it holds the tables {tables}. Nothing was changed. Move the file away, or start "
    "with another --data-dir.",
    UNREACHABLE: "The database {where} does not answer ({detail}). Check that it runs, and --database-url.",
    "io": "The disk refused to read or write {where} ({detail}). Check its space, its limits and its health; then try again.",
    "setup": "The database {where} cannot be used ({detail}).",
}

SQLITE_KINDS = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_CORRUPT: CORRUPT,
    sqlite3.SQLITE_NOTADB: CORRUPT,
    sqlite3.SQLITE_IOERR: "io",
}

POSTGRES_KINDS = {
    "53100": FULL,  # disk_full
    "55P03": LOCKED,  # lock_not_available: lock_timeout ran out
    "40P01": LOCKED,  # deadlock_detected
    "25006": READ_ONLY,  # read_only_sql_transaction: a standby
    "42501": "setup",  # insufficient_privilege
    "28P01": "setup",  # invalid_password
    "28000": "setup",
    "3D000": "setup",  # no such database
    "XX001": CORRUPT,
    "XX002": CORRUPT,
    "53300": UNREACHABLE,  # too_many_connections
}


def explained(error: DBAPIError | sqlite3.Error, where: str, patience: float) -> StoreError | None:
    """The sentence for a driver's error, or None for a mistake of ours, which must stay visible as one."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = _sqlite_kind(cause) if isinstance(cause, sqlite3.Error) else _postgres_kind(cause)
    if kind is None:
        return None
    detail = (str(cause).strip().splitlines() or ["no reason given"])[0].rstrip(".").rpartition(" failed: ")[2]  # without libpq's address
    return StoreError(SENTENCES[kind].format(where=where, patience=patience, detail=detail), kind)


def _sqlite_kind(cause: sqlite3.Error) -> str | None:
    if "no such module: fts5" in str(cause):
        return "setup"
    # the low byte is the primary result code; the rest says more
    return SQLITE_KINDS.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)


def _postgres_kind(cause: BaseException | None) -> str | None:
    state = getattr(cause, "sqlstate", None)
    if state is None or state.startswith(("08", "57P")):  # no connection, or the server went away
        return UNREACHABLE if type(cause).__name__ in ("OperationalError", "AdminShutdown", "ConnectionTimeout") else None
    return POSTGRES_KINDS.get(state)
