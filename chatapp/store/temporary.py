"""The store of chats that are kept nowhere: in memory, bounded in number, bytes and age; what was left alone longest goes first."""

import time

import sqlalchemy as sa

from chatapp.identity import Owner
from chatapp.store import Store, erase
from chatapp.store.schema import conversations, turns
from chatapp.turn import Turn

CHATS = 500
BYTES = 2**28
HOURS = 24

RUNNING = sa.exists().where(turns.c.conversation_id == conversations.c.id, turns.c.finish_reason == "")
IDLE = sa.select(conversations.c.seq, conversations.c.updated).where(~RUNNING).order_by(conversations.c.updated, conversations.c.seq)


class TemporaryStore(Store):
    """At most `chats` conversations and `size` bytes, none that nobody wrote in for `hours`; one whose reply runs always stays."""

    def __init__(self, *, chats: int = CHATS, size: int = BYTES, hours: float = HOURS) -> None:
        super().__init__("sqlite://")
        self.chats, self.size, self.hours = chats, size, hours

    def begin(self, turn: Turn, model: str | None = None) -> None:
        super().begin(turn, model)
        self.prune(time.time())

    def prune(self, now: float) -> int:
        """Erase what is too much or too old at this Unix time, and say how many conversations that were."""
        count = 0
        while gone := self._prune_some(now):
            count += gone
            erase.scrub(self.database)
        return count

    def forget(self, owner: Owner, conversation_id: str) -> None:
        """Erase one conversation, if it is still there. Its pages serve the next one."""
        with self.database.write() as connection:
            erase.conversations_where(connection, sa.and_(conversations.c.owner == owner, conversations.c.id == conversation_id))

    def _prune_some(self, now: float) -> int:
        """Of too many bytes the oldest tenth at a time: how much each conversation takes is not known."""
        with self.database.write() as connection:
            idle = connection.execute(IDLE).all()
            total = connection.execute(sa.select(sa.func.count()).select_from(conversations)).scalar()
            too_many = max(total - self.chats, -(-len(idle) // 10) if used(connection) > self.size else 0)
            seqs = [row.seq for n, row in enumerate(idle) if n < too_many or row.updated < now - self.hours * 3600]
            return erase.conversations_where(connection, conversations.c.seq.in_(seqs[: erase.BATCH]))


def used(connection: sa.Connection) -> int:
    """Bytes that an SQLite database holds, without its free pages."""
    pages, free, size = (connection.exec_driver_sql(f"PRAGMA {what}").scalar() for what in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size
