"""Deleting for good: rows, search index, and on SQLite the bytes in the file.

SQLite overwrites what it frees (secure_delete), the search index is merged so that no old words stay in it, and the write-ahead log is
emptied. On PostgreSQL the rows are deleted and vacuumed; its own log and backups are its administrator's.
"""

import time

import sqlalchemy as sa

from chatapp.identity import Owner
from chatapp.store import search
from chatapp.store.database import Database
from chatapp.store.removal import Removed, removed
from chatapp.store.schema import conversations, drafts, turns
from chatapp.store.tree import leaf_after, subtree
from chatapp.store.write import head, place, tree

DELETED_DAYS = 30
"""How long a deleted conversation can be brought back."""

LONG_AGO = 0.0
"""As the time of a soft delete: nobody may restore it, the purge takes it."""

BATCH = 25
"""Conversations erased in one transaction."""

PAUSE = 0.005
"""Seconds between two of them, without which Python gives the lock back to the thread that had it."""

MERGED = 500
"""Pages of the search index merged in one transaction: a tenth of a second."""

DAY = 86400.0

WORTH_VACUUM = 0.25
"""Share of free pages above which the file is rewritten smaller."""


def turn(connection: sa.Connection, owner: Owner, turn_id: str, keep_children: bool) -> Removed:
    """One turn, or it and all below it; the leaf stays where it is or moves to the newest turn nearby. Returns what was erased."""
    at = place(connection, owner, turn_id)
    old = head(connection, owner, at.conversation_id, lock=True).leaf
    nodes = tree(connection, at.conversation_id)
    gone = [turn_id] if keep_children else subtree(nodes, turn_id)
    moved = [node.id for node in nodes.values() if keep_children and node.parent_id == turn_id]
    before = removed(connection, nodes, gone, moved, old)
    if keep_children:
        connection.execute(turns.update().where(turns.c.parent_id == turn_id).values(parent_id=at.parent_id))
    _erase_turns(connection, [nodes[id].seq for id in gone])
    left = tree(connection, at.conversation_id)
    leaf = leaf_after(left, old, at.parent_id)
    connection.execute(conversations.update().where(conversations.c.id == at.conversation_id).values(leaf=leaf))
    return before


def _erase_turns(connection: sa.Connection, seqs: list[int]) -> None:
    search.remove(connection, seqs)
    # one statement, children and parents together: the foreign key is checked at its end
    connection.execute(turns.delete().where(turns.c.seq.in_(seqs)))


def everything(database: Database, owner: Owner) -> int:
    """All conversations and drafts of one owner, also those deleted before: out of sight at once, then erased.

    Should the process die in between, the next purge goes on.
    """
    with database.write() as connection:
        connection.execute(drafts.delete().where(drafts.c.owner == owner))
        mine = conversations.update().where(conversations.c.owner == owner)
        count = connection.execute(mine.values(deleted=LONG_AGO)).rowcount
    purge(database, LONG_AGO + 1)
    return count


def overdue(database: Database, now: float, *, shrink: bool = True) -> int:
    """Erase what was deleted DELETED_DAYS before this Unix time, and say how many conversations that were.

    Without `shrink` a file keeps its size: the next start, or everything(), makes it smaller.
    """
    return purge(database, now - DELETED_DAYS * DAY, shrink=shrink)


def purge(database: Database, before: float, *, shrink: bool = True) -> int:
    """Erase the conversations that were deleted before this Unix time; a few at a time, so that others can write in between."""
    count = 0
    while _some(database, before):
        with database.write() as connection:
            count += conversations_where(connection, conversations.c.deleted < before)
        time.sleep(PAUSE)
    if count:
        scrub(database, shrink=shrink)
    return count


def _some(database: Database, before: float) -> bool:
    with database.read() as connection:
        return connection.execute(sa.select(conversations.c.seq).where(conversations.c.deleted < before).limit(1)).first() is not None


def conversations_where(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    """Erase BATCH of the conversations for which this holds, and say how many that were."""
    rows = connection.execute(sa.select(conversations.c.seq, conversations.c.id).where(condition).limit(BATCH)).all()
    ids = [row.id for row in rows]
    search.remove_conversations(connection, [row.seq for row in rows])
    connection.execute(drafts.delete().where(drafts.c.key.in_(ids)))
    connection.execute(conversations.delete().where(conversations.c.id.in_(ids)))
    return len(rows)


def scrub(database: Database, *, shrink: bool = True) -> None:
    """After erasing: leave nothing of it in the files. `shrink` rewrites a file that is mostly empty, which holds every writer up."""
    if not database.sqlite:
        with database.bare() as connection:
            connection.exec_driver_sql("VACUUM conversations, turns, prompts, drafts, search")
        return
    _merge_index(database)
    with database.bare() as connection:
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar()
        if shrink and free > WORTH_VACUUM * connection.exec_driver_sql("PRAGMA page_count").scalar():
            connection.exec_driver_sql("VACUUM")
        _empty_log(connection, time.monotonic() + database.patience)


def _merge_index(database: Database) -> None:
    """What FTS5's 'optimize' does, in steps; the negative number begins it, and fewer than two changes end it (its manual, 6.8)."""
    pages, changes = -MERGED, 2
    while changes >= 2:
        with database.write() as connection:
            before = connection.exec_driver_sql("SELECT total_changes()").scalar()
            connection.exec_driver_sql(f"INSERT INTO search(search, rank) VALUES ('merge', {pages})")
            changes = connection.exec_driver_sql("SELECT total_changes()").scalar() - before
        pages = MERGED
        time.sleep(PAUSE)


def _empty_log(connection: sa.Connection, deadline: float) -> None:
    """A reader in another thread or process can hold the log back for a moment."""
    while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()[0] and time.monotonic() < deadline:
        time.sleep(0.05)
