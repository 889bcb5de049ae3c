"""The two places of chats: the store that keeps them, and memory for those that are kept nowhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.store import Store, erase
from chatapp.store.temporary import BYTES, CHATS, HOURS, TemporaryStore

T = TypeVar("T")

GONE = (
    f"This temporary chat is not in the server's memory any more. Temporary chats go after {HOURS} hours without a message, when there are "
    f'more than {CHATS} of them or they take more than {BYTES >> 20} MiB, with "Delete everything of mine", and when the server ends. '
    "Begin a new one."
)


class Stores:
    """`kept` is the database; `temporary` is in memory, bounded, gone with the process, and None until the first temporary chat."""

    def __init__(self, kept: Store) -> None:
        self.kept = kept
        self.temporary: TemporaryStore | None = None
        self._opening = asyncio.Lock()

    async def open(self, keep: bool) -> Store:
        """Where a new chat goes."""
        if keep:
            return self.kept
        async with self._opening:
            if self.temporary is None:
                self.temporary = await asyncio.to_thread(TemporaryStore)
        return self.temporary

    async def look(self, read: Callable[[Store], T]) -> tuple[Store, T]:
        """Read from the one that has it. Raises NotFound when neither has, or it is somebody else's."""
        if self.temporary is not None:
            with suppress(NotFound):
                return self.temporary, await asyncio.to_thread(read, self.temporary)
        return self.kept, await asyncio.to_thread(read, self.kept)

    @asynccontextmanager
    async def explained(self, owner: Owner, temporary_id: str | None) -> AsyncIterator[None]:
        """What is not found because it was in a temporary chat that has gone says so; `temporary_id` is None for other chats."""
        try:
            yield
        except NotFound as error:
            if temporary_id is None or await self._holds(owner, temporary_id):
                raise
            raise ChatError(GONE, status=404) from error

    async def _holds(self, owner: Owner, conversation_id: str) -> bool:
        return self.temporary is not None and bool(await asyncio.to_thread(self.temporary.conversations.sizes, owner, [conversation_id]))

    async def forget(self, owner: Owner, conversation_id: str) -> None:
        """Erase a temporary chat that nobody will ask for again."""
        if self.temporary is not None:
            await asyncio.to_thread(self.temporary.forget, owner, conversation_id)

    async def purge(self, now: float) -> None:
        """Erase what was deleted long ago, and the temporary chats that were left alone, as of this Unix time."""
        if self.temporary is not None:
            await asyncio.to_thread(self.temporary.prune, now)
        await asyncio.to_thread(erase.overdue, self.kept.database, now, shrink=False)

    async def erase(self, owner: Owner) -> None:
        """Everything of this owner, for good; what was temporary first: it goes also where the database cannot be written."""
        for store in filter(None, (self.temporary, self.kept)):
            await asyncio.to_thread(erase.everything, store.database, owner)

    def close(self) -> None:
        """Drop what was temporary; the database belongs to whoever opened it."""
        if self.temporary is not None:
            self.temporary.close()
