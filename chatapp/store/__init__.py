"""Conversation trees in SQLite, or PostgreSQL by URL. Every read and write names its owner; another's id reads as not found.

The store is synchronous and thread-safe. Owners are opaque strings. Deleting is soft for DELETED_DAYS, so that it can be undone;
delete_all() and the end of that time really erase.
"""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatapp.errors import ChatError, NotFound
from chatapp.store import erase, listing, migrate, outline, search, write
from chatapp.store.database import PATIENCE, Database
from chatapp.store.errors import StoreError
from chatapp.store.listing import Summary
from chatapp.store.outline import Outline
from chatapp.store.record import MAX_TITLE, Conversation, document, read_document
from chatapp.store.runner import Runner
from chatapp.store.running import Running
from chatapp.store.schema import WHOLE, conversations, drafts, turn_from, turns
from chatapp.store.tree import newest_leaf, path_to, subtree
from chatapp.turn import FinishReason, Turn

if TYPE_CHECKING:
    from chatapp.settings import Settings

__all__ = ["DELETED_DAYS", "Conversation", "Outline", "Store", "StoreError", "Summary"]

DELETED_DAYS = 30
DAY = 86400.0
MAX_DRAFT = 1_000_000  # characters


class Store:
    """`url`: sqlite:////folder/chat.db, sqlite:// (memory, for temporary chats) or postgresql://user:password@host/name.

    Opening migrates. `patience` is how many seconds to wait for a lock of another program. Raises StoreError with the cure.
    """

    def __init__(self, url: str | sa.URL, *, patience: float = PATIENCE) -> None:
        self.database = Database(url, patience=patience)
        migrate.migrate(self.database)
        with self.database.told():
            self.runner = Runner(self.database)
        self.running = Running(self.database, self.runner)
        self._prompts: dict[str, tuple[Any, ...]] = {}  # of running turns: what is already on disk
        erase.purge(self.database, time.time() - DELETED_DAYS * DAY)

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

    def begin(self, turn: Turn) -> None:
        """Put the question on disk, as the conversation's new leaf; creates the conversation when its id is new."""
        with self.database.write() as connection:
            write.begin(connection, turn, self.runner.id)
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

    def interrupt_running(self) -> int:
        """Mark what dead processes left running as interrupted, and say how many. Replies of living processes go on."""
        return self.running.interrupt_dead()

    # reading

    def turn(self, owner: str, turn_id: str) -> Turn:
        """One turn."""
        with self.database.read() as connection:
            return _turn(connection, owner, turn_id)

    def path(self, owner: str, conversation_id: str, leaf: str | None = None) -> list[Turn]:
        """The turns from the root to `leaf`, by default to the current one."""
        with self.database.read() as connection:
            head = write.head(connection, owner, conversation_id)
            tree = write.tree(connection, conversation_id)
            if leaf is not None and leaf not in tree:
                raise NotFound("The message")
            return write.whole_turns(connection, path_to(tree, leaf or head.leaf))

    def outline(self, owner: str, conversation_id: str, leaf: str | None = None) -> Outline:
        """The same turns without their prompts, with what stands beside them: what a page shows."""
        with self.database.read() as connection:
            return outline.outline(connection, owner, conversation_id, leaf)

    def version(self, owner: str, conversation_id: str) -> str:
        """Another one whenever the outline may be another."""
        with self.database.read() as connection:
            return outline.version(connection, owner, conversation_id)

    def versions(self, owner: str, turn_id: str) -> list[str]:
        """Ids of the turns with the same parent, oldest first, itself included."""
        with self.database.read() as connection:
            place = write.place(connection, owner, turn_id)
            same = turns.c.parent_id.is_not_distinct_from(place.parent_id)
            query = sa.select(turns.c.id).where(turns.c.conversation_id == place.conversation_id, same)
            return list(connection.execute(query.order_by(turns.c.created, turns.c.seq)).scalars())

    def conversations(self, owner: str, query: str = "", limit: int = 200) -> list[Summary]:
        """The owner's conversations, pinned first, then the latest; with a query those in whose words it is found."""
        with self.database.read() as connection:
            return listing.found(connection, owner, query, limit) if query.strip() else listing.latest(connection, owner, limit)

    def count(self, owner: str) -> int:
        """How many conversations the owner has."""
        with self.database.read() as connection:
            mine = conversations.c.owner == owner, conversations.c.deleted.is_(None)
            return connection.execute(sa.select(sa.func.count()).where(*mine)).scalar_one()

    def summary(self, owner: str, conversation_id: str) -> Summary:
        """One conversation as the list shows it."""
        with self.database.read() as connection:
            write.head(connection, owner, conversation_id)
            return listing.one(connection, owner, conversation_id)

    # the tree

    def select(self, owner: str, turn_id: str) -> None:
        """Show the version `turn_id`: the current leaf becomes its newest descendant."""
        with self.database.write() as connection:
            place = write.place(connection, owner, turn_id)
            write.head(connection, owner, place.conversation_id, lock=True)
            tree = write.tree(connection, place.conversation_id)
            leaf = newest_leaf(tree, subtree(tree, turn_id))
            connection.execute(conversations.update().where(conversations.c.id == place.conversation_id).values(leaf=leaf))

    def delete_turn(self, owner: str, turn_id: str, *, keep_children: bool) -> None:
        """Erase one turn. What follows it moves up to its parent, or is erased too."""
        with self.database.write() as connection:
            erase.turn(connection, owner, turn_id, keep_children)

    # the conversation

    def rename(self, owner: str, conversation_id: str, title: str) -> None:
        """Give it a title of 1 to MAX_TITLE characters."""
        title = " ".join(title.split())
        if not 1 <= len(title) <= MAX_TITLE:
            raise ChatError(f"The title has {len(title)} characters; it must have 1 to {MAX_TITLE}.", status=422)
        with self.database.write() as connection:
            seq = write.change(connection, owner, conversation_id, title=title)
            search.put_titles(connection, [seq])

    def pin(self, owner: str, conversation_id: str, pinned: bool = True) -> None:
        """Keep it at the top of the list, or no longer."""
        with self.database.write() as connection:
            write.change(connection, owner, conversation_id, pinned=pinned)

    def delete(self, owner: str, conversation_id: str) -> None:
        """Take it out of sight; restore() undoes this for DELETED_DAYS."""
        with self.database.write() as connection:
            seq = write.change(connection, owner, conversation_id, deleted=time.time())
            search.remove_conversations(connection, [seq])

    def restore(self, owner: str, conversation_id: str) -> None:
        """Undo delete()."""
        with self.database.write() as connection:
            seq = write.change(connection, owner, conversation_id, with_deleted=True, deleted=None)
            search.index_conversation(connection, seq)

    def purge(self, now: float) -> int:
        """Erase what was deleted DELETED_DAYS before this Unix time, and say how many conversations that were.

        A file keeps its size: the next start, or delete_all(), makes it smaller.
        """
        return erase.purge(self.database, now - DELETED_DAYS * DAY, shrink=False)

    def delete_all(self, owner: str) -> int:
        """Erase everything of this owner for good, drafts too, and say how many conversations that were."""
        return erase.everything(self.database, owner)

    # drafts

    def draft(self, owner: str, key: str) -> str:
        """The unsent text of a conversation id or 'new'; '' when there is none."""
        with self.database.read() as connection:
            query = sa.select(drafts.c.text).where(drafts.c.owner == owner, drafts.c.key == key)
            return connection.execute(query).scalar() or ""

    def set_draft(self, owner: str, key: str, text: str) -> None:
        """Keep unsent text; '' forgets it."""
        if len(key) > 100:
            raise NotFound("The conversation")
        if len(text) > MAX_DRAFT:
            raise ChatError(f"The unsent text has {len(text)} characters; at most {MAX_DRAFT} are kept.", status=413)
        with self.database.write() as connection:
            connection.execute(drafts.delete().where(drafts.c.owner == owner, drafts.c.key == key))
            if text:
                connection.execute(write.insert_new(connection, drafts), dict(owner=owner, key=key, text=text, updated=time.time()))

    # whole conversations

    def ids(self, owner: str) -> list[str]:
        """All conversation ids of this owner, oldest first."""
        with self.database.read() as connection:
            query = sa.select(conversations.c.id).where(conversations.c.owner == owner, conversations.c.deleted.is_(None))
            return list(connection.execute(query.order_by(conversations.c.created, conversations.c.seq)).scalars())

    def sizes(self, owner: str, ids: Sequence[str]) -> dict[str, int]:
        """Which of these conversations the owner has, with the number of their turns."""
        with self.database.read() as connection:
            return listing.sizes(connection, owner, ids)

    def conversation(self, owner: str, conversation_id: str) -> Conversation:
        """The whole tree."""
        with self.database.read() as connection:
            head = write.head(connection, owner, conversation_id)
            query = WHOLE.where(turns.c.conversation_id == conversation_id).order_by(turns.c.created, turns.c.seq)
            found = [turn_from(row) for row in connection.execute(query).mappings()]
            return Conversation(head.id, head.title, head.created, head.updated, head.pinned, head.leaf, found)

    def add(self, owner: str, new: Iterable[Conversation]) -> list[str]:
        """Insert whole conversations in one transaction; one whose ids are taken is copied under new ids. Returns their ids."""
        with self.database.write() as connection:
            return write.add(connection, owner, list(new))

    def export(self, owner: str, conversation_id: str | None = None) -> dict[str, Any]:
        """One conversation, or all, as plain JSON values that import_() takes back identically."""
        chosen = self.ids(owner) if conversation_id is None else [conversation_id]
        return document([self.conversation(owner, id) for id in chosen])

    def import_(self, owner: str, data: dict[str, Any]) -> list[str]:
        """Take in an export(); all of it, or nothing and a ChatError that names the conversation and the field."""
        return self.add(owner, read_document(data, owner))


def _turn(connection: sa.Connection, owner: str, turn_id: str) -> Turn:
    write.place(connection, owner, turn_id)
    return write.whole_turns(connection, [turn_id])[0]
