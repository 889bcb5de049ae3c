"""Deleting for good: rows, search index, and on SQLite the bytes in the file.

SQLite overwrites what it frees (secure_delete), the search index is merged so that no old words stay in it, and the write-ahead log is
emptied. On PostgreSQL the rows are deleted and vacuumed; its own log and backups are its administrator's.
"""

import time

import sqlalchemy as sa

from chatapp import store_search
from chatapp.store_database import Database
from chatapp.store_schema import conversations, drafts, turns
from chatapp.store_tree import leaf_after, subtree
from chatapp.store_write import CHUNK, head, place, tree

WORTH_VACUUM = 0.25
"""Share of free pages above which the file is rewritten smaller."""


def turn(connection: sa.Connection, owner: str, turn_id: str, keep_children: bool) -> None:
    """One turn, or it and all below it; the leaf stays where it is or moves to the newest turn nearby."""
    at = place(connection, owner, turn_id)
    old = head(connection, owner, at.conversation_id, lock=True).leaf
    nodes = tree(connection, at.conversation_id)
    gone = [turn_id] if keep_children else subtree(nodes, turn_id)
    if keep_children:
        connection.execute(turns.update().where(turns.c.parent_id == turn_id).values(parent_id=at.parent_id))
    _erase_turns(connection, [nodes[id].seq for id in gone])
    left = tree(connection, at.conversation_id)
    leaf = leaf_after(left, old, at.parent_id)
    connection.execute(conversations.update().where(conversations.c.id == at.conversation_id).values(leaf=leaf))


def _erase_turns(connection: sa.Connection, seqs: list[int]) -> None:
    store_search.remove(connection, seqs)
    # one statement, children and parents together: the foreign key is checked at its end
    connection.execute(turns.delete().where(turns.c.seq.in_(seqs)))


def everything(database: Database, owner: str) -> int:
    """All conversations and drafts of one owner."""
    with database.write() as connection:
        count = _erase_where(connection, conversations.c.owner == owner)
        connection.execute(drafts.delete().where(drafts.c.owner == owner))
    if count:
        scrub(database)
    return count


def purge(database: Database, before: float) -> int:
    """Conversations that were deleted before this Unix time."""
    old = conversations.c.deleted < before
    with database.read() as connection:
        if connection.execute(sa.select(conversations.c.seq).where(old).limit(1)).first() is None:
            return 0
    with database.write() as connection:
        count = _erase_where(connection, old)
    scrub(database)
    return count


def _erase_where(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> int:
    rows = connection.execute(sa.select(conversations.c.seq, conversations.c.id, conversations.c.owner).where(condition)).all()
    for start in range(0, len(rows), CHUNK):
        some = rows[start : start + CHUNK]
        ids = [row.id for row in some]
        store_search.remove_conversations(connection, [row.seq for row in some])
        connection.execute(drafts.delete().where(drafts.c.key.in_(ids)))
        connection.execute(conversations.delete().where(conversations.c.id.in_(ids)))
    return len(rows)


def scrub(database: Database) -> None:
    """After erasing: leave nothing of it in the files."""
    with database.bare() as connection:
        if not database.sqlite:
            connection.exec_driver_sql("VACUUM conversations, turns, prompts, drafts, search")
            return
        connection.exec_driver_sql("INSERT INTO search(search) VALUES ('optimize')")
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar()
        if free > WORTH_VACUUM * connection.exec_driver_sql("PRAGMA page_count").scalar():
            connection.exec_driver_sql("VACUUM")
        _empty_log(connection, time.monotonic() + database.patience)


def _empty_log(connection: sa.Connection, deadline: float) -> None:
    """A reader in another thread or process can hold the log back for a moment."""
    while connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").first()[0] and time.monotonic() < deadline:
        time.sleep(0.05)
