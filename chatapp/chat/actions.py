"""What else begins a reply: regenerate, edit, continue, branch; and taking an exchange out. Each returns the live turn of the new one."""

import asyncio
from contextlib import suppress

from chatapp.chat.build import ReplyPrefix, branched, clean, continued
from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.resident.slot import ModelSlot
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.store.removal import put_back
from chatapp.turn import Turn


async def regenerate(
    chat: Chat, owner: Owner, turn_id: str, *, sampling: Sampling | None = None, system: str | None = None, model: str = ""
) -> Turn:
    """Another reply to the same question, beside the first; `model` names who writes it, '' whom the conversation remembers."""
    store, old = await chat.find(owner, turn_id)
    slot = chat.models.find(model) if model else await chat.replies.answerer(owner, old.conversation_id, store)
    return await _beside(chat, old, store, slot, sampling=sampling, system=system)


async def edit(chat: Chat, owner: Owner, turn_id: str, text: str, *, sampling: Sampling | None = None, system: str | None = None) -> Turn:
    """Another question in the place of this one; the old one and what followed stay beside it."""
    store, old = await chat.find(owner, turn_id)
    slot = await chat.replies.answerer(owner, old.conversation_id, store)
    return await _beside(chat, old, store, slot, user=clean(text), sampling=sampling, system=system)


async def resume(chat: Chat, owner: Owner, turn_id: str, *, sampling: Sampling | None = None) -> Turn:
    """Continue a cut reply from its very ids (from its text, where another model is loaded now)."""
    store, old = await chat.find(owner, turn_id)
    if not old.can_continue:
        cure = "Stop it first." if old.running else "Only a reply that was cut can be continued."
        raise ChatError(f"This reply is {'still being written' if old.running else 'complete'}. {cure}", status=409)
    slot = chat.models.wrote(old) or await chat.replies.answerer(owner, old.conversation_id, store)
    engine = slot.engine if slot.state == "ready" else None
    return await _beside(chat, old, store, slot, sampling=sampling, beginning=continued(old, engine), continues=old.id)


async def branch(chat: Chat, owner: Owner, turn_id: str, position: int, token_id: int, *, sampling: Sampling | None = None) -> Turn:
    """The reply's first `position` tokens, then `token_id` instead of what stood there; the model goes on."""
    store, old = await chat.find(owner, turn_id)
    slot = chat.models.wrote(old) or await chat.replies.answerer(owner, old.conversation_id, store)
    if slot.state == "unloaded":
        slot.wake()
        await slot.wait_ready()
    beginning = branched(old, position, token_id, slot.engine)
    return await _beside(chat, old, store, slot, sampling=sampling, beginning=beginning)


async def remove(chat: Chat, owner: Owner, turn_id: str, *, keep_children: bool) -> None:
    """Erase one turn; what follows it moves up to its parent, or is stopped and erased too. `restore` undoes it. Raises NotFound."""
    store, running = await chat.stores.look(lambda store: store.running.below(owner, turn_id))
    for id in running:
        if id == turn_id or not keep_children:
            with suppress(NotFound):  # erased by somebody else meanwhile
                await chat.stop(owner, id)
    gone = await asyncio.to_thread(store.delete_turn, owner, turn_id, keep_children=keep_children)
    chat.removals.keep(owner, store, gone)


async def restore(chat: Chat, owner: Owner, turn_id: str) -> Turn:
    """Put back what `remove` took out a moment ago. Raises ChatError where that cannot be."""
    store, gone = chat.removals.find(owner, turn_id)
    await asyncio.to_thread(put_back, store.database, owner, gone)
    return gone.top


async def _beside(
    chat: Chat,
    old: Turn,
    store: Store,
    slot: ModelSlot,
    *,
    user: str = "",
    sampling: Sampling | None = None,
    system: str | None = None,
    beginning: ReplyPrefix | None = None,
    continues: str | None = None,
) -> Turn:
    turn = Turn(
        old.owner,
        old.conversation_id,
        user or old.user,
        parent_id=old.parent_id,
        system=old.system if system is None else system,
        history=old.history,
        sampling=sampling or old.sampling,
        prefix_text=beginning.text if beginning else "",
        continues=continues,
    )
    return await chat.replies.start(turn, store, slot, beginning=beginning)
