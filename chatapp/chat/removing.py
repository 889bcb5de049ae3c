"""Taking an exchange out of a conversation: what is still being written or waits there is stopped first."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from chatapp.errors import NotFound

if TYPE_CHECKING:
    from chatapp.chat.service import Chat


async def remove(chat: "Chat", owner: str, turn_id: str, *, keep_children: bool) -> None:
    """Erase one turn; what follows it moves up to its parent, or is stopped and erased too. Raises NotFound."""
    store, running = await chat.stores.look(lambda store: store.running.below(owner, turn_id))
    for id in running:
        if id == turn_id or not keep_children:
            with suppress(NotFound):  # erased by somebody else meanwhile
                await chat.stop(owner, id)
    await asyncio.to_thread(store.delete_turn, owner, turn_id, keep_children=keep_children)
