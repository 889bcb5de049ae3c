"""What was taken out of conversations in the last minutes, so that it can be put back: in memory only, for on disk it is erased."""

import asyncio

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.store import Store
from chatapp.store.removal import Removed

MINUTES = 10
MOST = 20
"""Removals of one person that are kept; the oldest is dropped first."""


class Removals:
    """By owner and the id of the turn that was taken out."""

    def __init__(self, minutes: float = MINUTES) -> None:
        self.minutes = minutes
        self._kept: dict[str, dict[str, tuple[Store, Removed]]] = {}

    def keep(self, owner: Owner, store: Store, gone: Removed) -> None:
        mine = self._kept.setdefault(owner, {})
        mine[gone.top.id] = store, gone
        if len(mine) > MOST:
            del mine[next(iter(mine))]
        asyncio.get_running_loop().call_later(60 * self.minutes, self._drop, owner, gone.top.id)

    def find(self, owner: Owner, turn_id: str) -> tuple[Store, Removed]:
        """Raises ChatError where it is not known any more."""
        try:
            return self._kept[owner][turn_id]
        except KeyError:
            words = f"This can no longer be undone: it can be for {self.minutes:g} minutes, and until the server ends."
            raise ChatError(words, status=410) from None

    def forget(self, owner: Owner) -> None:
        """Everything of this person."""
        self._kept.pop(owner, None)

    def _drop(self, owner: Owner, turn_id: str) -> None:
        mine = self._kept.get(owner, {})
        mine.pop(turn_id, None)
        if not mine:
            self._kept.pop(owner, None)
