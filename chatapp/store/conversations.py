"""Whole conversations: the list of an owner's, and what is done with one of them. Another owner's reads as not found."""

import time
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.store import listing, search, write
from chatapp.store.database import Database
from chatapp.store.listing import Summary
from chatapp.store.record import MAX_TITLE, Conversation
from chatapp.store.schema import WHOLE, conversations, turn_from, turns


class Conversations:
    """The part of the store for conversations, each as one thing."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def listed(self, owner: Owner, query: str = "", limit: int = 200) -> list[Summary]:
        """The owner's, pinned first, then the latest; with a query those in whose words it is found."""
        with self.database.read() as connection:
            return listing.found(connection, owner, query, limit) if query.strip() else listing.latest(connection, owner, limit)

    def count(self, owner: Owner) -> int:
        """How many the owner has."""
        with self.database.read() as connection:
            return listing.count(connection, owner)

    def summary(self, owner: Owner, conversation_id: str) -> Summary:
        """One as the list shows it."""
        with self.database.read() as connection:
            write.head(connection, owner, conversation_id)
            return listing.one(connection, owner, conversation_id)

    def ids(self, owner: Owner) -> list[str]:
        """All ids of this owner, oldest first."""
        with self.database.read() as connection:
            query = sa.select(conversations.c.id).where(conversations.c.owner == owner, conversations.c.deleted.is_(None))
            return list(connection.execute(query.order_by(conversations.c.created, conversations.c.seq)).scalars())

    def sizes(self, owner: Owner, ids: Sequence[str]) -> dict[str, int]:
        """Which of these the owner has, with the number of their turns."""
        with self.database.read() as connection:
            return listing.sizes(connection, owner, ids)

    def whole(self, owner: Owner, conversation_id: str) -> Conversation:
        """The whole tree, prompts included."""
        with self.database.read() as connection:
            head = write.head(connection, owner, conversation_id)
            query = WHOLE.where(turns.c.conversation_id == conversation_id).order_by(turns.c.created, turns.c.seq)
            found = [turn_from(row) for row in connection.execute(query).mappings()]
            return Conversation(head.id, head.title, head.created, head.updated, head.pinned, head.leaf, found, head.model)

    def add(self, owner: Owner, new: Iterable[Conversation]) -> list[str]:
        """Insert whole ones in one transaction; one whose ids are taken is copied under new ids. Returns their ids."""
        with self.database.write() as connection:
            return write.add(connection, owner, list(new))

    def rename(self, owner: Owner, conversation_id: str, title: str) -> None:
        """Give it a title of 1 to MAX_TITLE characters."""
        title = " ".join(title.split())
        if not 1 <= len(title) <= MAX_TITLE:
            raise ChatError(f"The title has {len(title)} characters; it must have 1 to {MAX_TITLE}.", status=422)
        with self.database.write() as connection:
            seq = write.change(connection, owner, conversation_id, title=title)
            search.put_titles(connection, [seq])

    def model(self, owner: Owner, conversation_id: str) -> str | None:
        """The id of the model that answers in it; None in one from before there were several."""
        with self.database.read() as connection:
            return write.head(connection, owner, conversation_id).model

    def choose(self, owner: Owner, conversation_id: str, model: str) -> None:
        """Let the model of this id answer from now on."""
        with self.database.write() as connection:
            write.change(connection, owner, conversation_id, model=model)

    def pin(self, owner: Owner, conversation_id: str, pinned: bool = True) -> None:
        """Keep it at the top of the list, or no longer."""
        with self.database.write() as connection:
            write.change(connection, owner, conversation_id, pinned=pinned)

    def delete(self, owner: Owner, conversation_id: str) -> None:
        """Take it out of sight; restore() undoes this for erase.DELETED_DAYS."""
        with self.database.write() as connection:
            seq = write.change(connection, owner, conversation_id, deleted=time.time())
            search.remove_conversations(connection, [seq])

    def restore(self, owner: Owner, conversation_id: str) -> None:
        """Undo delete()."""
        with self.database.write() as connection:
            seq = write.change(connection, owner, conversation_id, with_deleted=True, deleted=None)
            search.index_conversation(connection, seq)
