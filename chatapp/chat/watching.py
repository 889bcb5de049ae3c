"""A turn that another process writes, seen through the store: followed by looking now and then, stopped by saying so there."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from chatapp.chat.stores import Stores
from chatapp.errors import NotFound
from chatapp.identity import Owner
from chatapp.turn import Turn

LOOK_EVERY = 0.5
"""Seconds between two looks: the other process saves hardly more often."""

PATIENCE = 2.0
"""Seconds that a stopped reply may take to save its last words: twice as long as a busy process needs to find that it is stopped."""


async def follow(stores: Stores, owner: Owner, turn_id: str) -> AsyncIterator[Turn]:
    """The turn as stored, now and when a look finds it changed; ends after its final state, or when it was deleted meanwhile.

    Raises NotFound when it is not the owner's.
    """
    store, seen = await stores.look(lambda store: store.running.look(owner, turn_id))
    turn = await asyncio.to_thread(store.turn, owner, turn_id)
    yield turn
    with suppress(NotFound):
        while turn.running:
            await asyncio.sleep(LOOK_EVERY)
            if (mark := await asyncio.to_thread(store.running.look, owner, turn_id)) != seen:
                seen, turn = mark, await asyncio.to_thread(store.turn, owner, turn_id)
                yield turn


async def stop(stores: Stores, owner: Owner, turn_id: str) -> None:
    """End it. Returns when the process that writes it has saved its last words, which no longer come after PATIENCE."""
    store, mark = await stores.look(lambda store: store.running.look(owner, turn_id))
    if mark.reason:
        return
    await asyncio.to_thread(store.running.stop, owner, turn_id)
    deadline = time.monotonic() + PATIENCE
    with suppress(NotFound):
        while mark.runner and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_EVERY / 5)
            mark = await asyncio.to_thread(store.running.look, owner, turn_id)
