"""Conversation trees in SQLite, or PostgreSQL by URL. Every read and write names its owner; another's id reads as not found.

The store is synchronous and thread-safe. Owners are opaque. Deleting a conversation is soft for a time, so that it can be undone;
what really erases is in erase.
"""

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatapp.identity import Owner
from chatapp.store import erase, migrate, outline, write
from chatapp.store.conversations import Conversations
from chatapp.store.database import PATIENCE, Database
from chatapp.store.errors import StoreError
from chatapp.store.listing import Summary
from chatapp.store.outline import Outline
from chatapp.store.record import Conversation
from chatapp.store.removal import Removed
from chatapp.store.runner import Runner
from chatapp.store.running import Running
from chatapp.store.schema import conversations
from chatapp.store.tree import newest_leaf, subtree
from chatapp.turn import FinishReason, Turn

if TYPE_CHECKING:
    from chatapp.settings import Settings

__all__ = ["Conversation", "Outline", "Store", "StoreError", "Summary"]


class Store:
    """`url`: sqlite:////folder/chat.db, sqlite:// (memory, for temporary chats) or postgresql://user:password@host/name.

    Turns are read and written here, whole conversations in `conversations`, replies that any process writes in `running`. Opening migrates.
    `patience` is how many seconds to wait for a lock of another program. Raises StoreError with the cure.
    """

    def __init__(self, url: str | sa.URL, *, patience: float = PATIENCE) -> None:
        self.database = Database(url, patience=patience)
        migrate.migrate(self.database)
        with self.database.told():
            self.runner = Runner(self.database)
        self.running = Running(self.database, self.runner)
        self.conversations = Conversations(self.database)
        self._prompts: dict[str, tuple[Any, ...]] = {}  # of running turns: what is already on disk
        erase.overdue(self.database, time.time())
        self.database.opened()

    @classmethod
    def open(cls, settings: "Settings") -> "Store":
        """The store of the data folder, or of --database-url."""
        url = settings.database_url.get_secret_value()
        return cls(url or sa.URL.create("sqlite", database=str(settings.data_dir / "chat.db")))

    @property
    def where(self) -> str:
        """The database, for the start-up card; without its password."""
        return self.database.where

    def close(self) -> None:
        self.runner.close()
        self.database.close()

    # a reply: begin, progress …, finish

    def begin(self, turn: Turn, model: str | None = None) -> None:
        """Put the question on disk, as the conversation's new leaf; creates the conversation, answered by `model`, when its id is new."""
        with self.database.write() as connection:
            write.begin(connection, turn, self.runner.id, model)
        self._prompts[turn.id] = write.prompt_state(turn)

    def progress(self, turn: Turn) -> FinishReason:
        """Put the reply so far on disk. Returns '', or why somebody else has ended the turn: then nothing is written.

        Raises NotFound when it was deleted.
        """
        state = write.prompt_state(turn)
        whole = self._prompts.get(turn.id) != state
        with self.database.write() as connection:
            reason = write.progress(connection, turn, whole)
        self._prompts[turn.id] = state
        return reason

    def reason(self, turn: Turn) -> FinishReason:
        """What progress() would return, without writing."""
        with self.database.read() as connection:
            return write.reason(connection, turn)

    def finish(self, turn: Turn) -> None:
        """Put the final state on disk. Raises NotFound when the turn was deleted."""
        self._prompts.pop(turn.id, None)
        with self.database.write() as connection:
            write.finish(connection, turn)

    # reading

    def turn(self, owner: Owner, turn_id: str) -> Turn:
        """One turn."""
        with self.database.read() as connection:
            return write.whole_turn(connection, owner, turn_id)

    def parent(self, owner: Owner, turn_id: str) -> str | None:
        """The turn that it follows now: what was there when it began may be gone."""
        with self.database.read() as connection:
            return write.place(connection, owner, turn_id).parent_id

    def leaf(self, owner: Owner, conversation_id: str) -> str | None:
        """Where the conversation stands."""
        with self.database.read() as connection:
            return write.head(connection, owner, conversation_id).leaf

    def outline(self, owner: Owner, conversation_id: str, leaf: str | None = None) -> Outline:
        """The same turns without their prompts, with what stands beside them: what a page shows."""
        with self.database.read() as connection:
            return outline.outline(connection, owner, conversation_id, leaf)

    def version(self, owner: Owner, conversation_id: str) -> str:
        """Another one whenever the outline may be another."""
        with self.database.read() as connection:
            return outline.version(connection, owner, conversation_id)

    # the tree

    def select(self, owner: Owner, turn_id: str) -> None:
        """Show the version `turn_id`: the current leaf becomes its newest descendant."""
        with self.database.write() as connection:
            place = write.place(connection, owner, turn_id)
            write.head(connection, owner, place.conversation_id, lock=True)
            tree = write.tree(connection, place.conversation_id)
            leaf = newest_leaf(tree, subtree(tree, turn_id))
            connection.execute(conversations.update().where(conversations.c.id == place.conversation_id).values(leaf=leaf))

    def delete_turn(self, owner: Owner, turn_id: str, *, keep_children: bool) -> Removed:
        """Erase one turn. What follows it moves up to its parent, or is erased too. removal.put_back undoes it."""
        with self.database.write() as connection:
            return erase.turn(connection, owner, turn_id, keep_children)
