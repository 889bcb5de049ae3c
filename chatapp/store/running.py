"""Replies without an end, whichever process writes them: a cheap look at one, stopping it, ending what a dead process left."""

from typing import NamedTuple

import sqlalchemy as sa

from chatapp.errors import NotFound
from chatapp.identity import Owner
from chatapp.store import write
from chatapp.store.database import Database
from chatapp.store.runner import Runner
from chatapp.store.schema import conversations, turns
from chatapp.store.tree import subtree
from chatapp.turn import FinishReason, Timings


class Mark(NamedTuple):
    """Another one whenever the stored reply is another one. `runner` is who writes it: '' once the last word is written."""

    reason: FinishReason
    runner: str
    timings: Timings


class Running:
    """The part of the store for turns that another process may be writing."""

    def __init__(self, database: Database, runner: Runner) -> None:
        self.database = database
        self.runner = runner

    def look(self, owner: Owner, turn_id: str) -> Mark:
        """How far a turn is. What dead processes left is interrupted first. Raises NotFound."""
        with self.database.read() as connection:
            mark = _mark(connection, owner, turn_id)
            if mark.reason or not self.runner.can_tell or self.runner.alive(connection, mark.runner):
                return mark
        self.interrupt_dead()
        with self.database.read() as connection:
            return _mark(connection, owner, turn_id)

    def interrupt_dead(self) -> int:
        """Mark what dead processes left running as interrupted, and say how many. Replies of living processes go on."""
        with self.database.write() as connection:
            count = write.interrupt(connection, lambda runner: self.runner.alive(connection, runner))
        self.runner.sweep()
        return count

    def stop(self, owner: Owner, turn_id: str) -> None:
        """End a running turn: the process that writes it finds that at its next save, and then adds what it had. Raises NotFound."""
        with self.database.write() as connection:
            write.place(connection, owner, turn_id)
            _stop(connection, turns.c.id == turn_id)

    def stop_all(self, owner: Owner, conversation_id: str | None) -> None:
        """End every turn that other processes write, of one conversation or of everything that is the owner's."""
        own = sa.select(conversations.c.id).where(conversations.c.owner == owner)
        if conversation_id is not None:
            own = own.where(conversations.c.id == conversation_id)
        elsewhere = sa.and_(turns.c.conversation_id.in_(own), turns.c.runner != self.runner.id)
        with self.database.read() as connection:
            if connection.execute(sa.select(turns.c.id).where(elsewhere, turns.c.finish_reason == "")).first() is None:
                return  # no writing: the disk may be full
        with self.database.write() as connection:
            _stop(connection, elsewhere)

    def below(self, owner: Owner, turn_id: str) -> list[str]:
        """Ids of a turn and of those under it that run or wait, the last begun first. Raises NotFound."""
        with self.database.read() as connection:
            place = write.place(connection, owner, turn_id)
            under = set(subtree(write.tree(connection, place.conversation_id), turn_id))
            query = sa.select(turns.c.id).where(turns.c.conversation_id == place.conversation_id, turns.c.finish_reason == "")
            return [id for id in connection.execute(query.order_by(turns.c.seq.desc())).scalars() if id in under]


def _mark(connection: sa.Connection, owner: Owner, turn_id: str) -> Mark:
    query = (
        sa.select(turns.c.finish_reason, turns.c.runner, turns.c.timings)
        .join(conversations, conversations.c.id == turns.c.conversation_id)
        .where(turns.c.id == turn_id, conversations.c.owner == owner, conversations.c.deleted.is_(None))
    )
    row = connection.execute(query).first()
    if row is None:
        raise NotFound("The message")
    return Mark(*row)


def _stop(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    stopped = turns.update().where(which, turns.c.finish_reason == "").values(finish_reason="stopped").returning(turns.c.id)
    write.index(connection, connection.execute(stopped).scalars().all())
