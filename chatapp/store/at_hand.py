"""Whose reply is this? For the command line of the person who has the database at hand, and no owner's cookie or login."""

import sqlalchemy as sa

from chatapp.errors import NotFound
from chatapp.identity import Owner
from chatapp.store.database import Database
from chatapp.store.schema import conversations, turns


def owner_of(database: Database, turn_id: str) -> Owner:
    """Of a reply that is kept. Raises NotFound."""
    query = _kept(conversations.c.owner).where(turns.c.id == turn_id)
    with database.read() as connection:
        return _one(connection.execute(query).first(), "The reply").owner


def latest(database: Database, conversation_id: str | None = None) -> tuple[Owner, str]:
    """(owner, id) of the reply that was begun last, of all or in one conversation. Raises NotFound."""
    query = _kept(conversations.c.owner, turns.c.id).order_by(turns.c.created.desc(), turns.c.seq.desc()).limit(1)
    if conversation_id is not None:
        query = query.where(turns.c.conversation_id == conversation_id)
    with database.read() as connection:
        row = _one(connection.execute(query).first(), "The reply" if conversation_id is None else "The conversation")
    return row.owner, row.id


def titled(database: Database) -> list[tuple[Owner, str, str]]:
    """(owner, id, title) of every conversation that is kept, the latest first."""
    query = sa.select(conversations.c.owner, conversations.c.id, conversations.c.title).where(conversations.c.deleted.is_(None))
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(conversations.c.updated.desc(), conversations.c.seq.desc()))]


def _kept(*columns: sa.Column) -> sa.Select:
    joined = sa.select(*columns).select_from(turns).join(conversations, conversations.c.id == turns.c.conversation_id)
    return joined.where(conversations.c.deleted.is_(None))


def _one(row: sa.Row | None, noun: str) -> sa.Row:
    if row is None:
        raise NotFound(noun)
    return row
