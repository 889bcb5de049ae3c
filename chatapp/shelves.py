"""The two places of chats: the store that keeps them, and memory for those that are kept nowhere."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from chatapp.errors import NotFound
from chatapp.store import Store

T = TypeVar("T")


class Shelves:
    """`kept` is the database; `temporary` is in memory, gone with the process, and None until the first temporary chat."""

    def __init__(self, kept: Store) -> None:
        self.kept = kept
        self.temporary: Store | None = None
        self._opening = asyncio.Lock()

    async def open(self, keep: bool) -> Store:
        """Where a new chat goes."""
        if keep:
            return self.kept
        async with self._opening:
            if self.temporary is None:
                self.temporary = await asyncio.to_thread(Store, "sqlite://")
        return self.temporary

    async def look(self, read: Callable[[Store], T]) -> tuple[Store, T]:
        """Read from the one that has it. Raises NotFound when neither has, or it is somebody else's."""
        if self.temporary is not None:
            with suppress(NotFound):
                return self.temporary, await asyncio.to_thread(read, self.temporary)
        return self.kept, await asyncio.to_thread(read, self.kept)

    async def erase(self, owner: str) -> None:
        """Everything of this owner, for good; what was temporary first: it goes also where the database cannot be written."""
        for store in filter(None, (self.temporary, self.kept)):
            await asyncio.to_thread(store.delete_all, owner)

    def close(self) -> None:
        """Drop what was temporary; the database belongs to whoever opened it."""
        if self.temporary is not None:
            self.temporary.close()
