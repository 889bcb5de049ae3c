"""What a person can do in a conversation and with the list: each is one call of Chat or Store, and the answer says what to show."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from chatapp.chat import actions
from chatapp.chat.replies import CURRENT_LEAF
from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.pages.protocol import ChatAction, Done, Manage, Measure
from chatapp.sampling import Sampling
from chatapp.server.door import Asked, Door
from chatapp.store.record import cut_title
from chatapp.turn import Turn


class ChatActions:
    """POST /ui/chat: everything that changes a conversation."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.doing: dict[str, Callable[[str, ChatAction], Awaitable[Turn | None]]] = {
            "send": self.send,
            "regenerate": self.regenerate,
            "edit": self.edit,
            "continue": self.resume,
            "branch": self.branch,
            "stop": self.stop,
            "version": self.version,
            "remove": self.remove,
            "restore": self.restore,
            "model": self.model,
        }

    async def do(self, owner: Owner, asked: Asked) -> Asked:
        """Run the asked action."""
        ask = ChatAction.read(asked)
        if ask.do not in self.doing:
            raise unknown(ask.do)
        async with self.chat.stores.explained(owner, ask.conversation if ask.temporary else None):
            turn = await self.doing[ask.do](owner, ask)
        return asdict(Done(turn.conversation_id, turn.id) if turn else Done(ask.conversation))

    async def send(self, owner: Owner, ask: ChatAction) -> Turn:
        return await self.chat.send(
            owner,
            ask.text,
            conversation_id=ask.conversation,
            parent_id=ask.leaf or CURRENT_LEAF,
            system=ask.system,
            sampling=Sampling.of(ask.settings),
            keep=not ask.temporary,
            model=ask.model,
        )

    async def regenerate(self, owner: Owner, ask: ChatAction) -> Turn:
        how = {"sampling": Sampling.of(ask.settings), "system": ask.system, "model": ask.model}
        return await actions.regenerate(self.chat, owner, ask.turn, **how)

    async def edit(self, owner: Owner, ask: ChatAction) -> Turn:
        return await actions.edit(self.chat, owner, ask.turn, ask.text, sampling=Sampling.of(ask.settings), system=ask.system)

    async def resume(self, owner: Owner, ask: ChatAction) -> Turn:
        return await actions.resume(self.chat, owner, ask.turn, sampling=Sampling.of(ask.settings))

    async def branch(self, owner: Owner, ask: ChatAction) -> Turn:
        """Go on from another token that the model could have taken, beside the reply."""
        return await actions.branch(self.chat, owner, ask.turn, ask.position, ask.token, sampling=Sampling.of(ask.settings))

    async def stop(self, owner: Owner, ask: ChatAction) -> None:
        await self.chat.stop(owner, ask.turn)

    async def version(self, owner: Owner, ask: ChatAction) -> None:
        await self.chat.stores.look(lambda store: store.select(owner, ask.turn))

    async def remove(self, owner: Owner, ask: ChatAction) -> None:
        await actions.remove(self.chat, owner, ask.turn, keep_children=ask.keep_children)

    async def model(self, owner: Owner, ask: ChatAction) -> None:
        """Another model answers in this conversation from now on."""
        slot, conversation = self.chat.models.find(ask.model), ask.conversation or ""
        await self.chat.stores.look(lambda store: store.conversations.choose(owner, conversation, slot.id))

    async def restore(self, owner: Owner, ask: ChatAction) -> Turn:
        return await actions.restore(self.chat, owner, ask.turn)

    async def measure(self, owner: Owner, asked: Asked) -> Asked:
        """The context meter. Empty while it cannot be said; Send then says why."""
        ask = Measure.read(asked)
        try:
            sampling = Sampling.of(ask.settings)
            budget = await self.chat.meter.budget(owner, ask.conversation, ask.text, system=ask.system, sampling=sampling, model=ask.model)
        except ChatError:
            return {}
        return {name: getattr(budget, name) for name in ("used", "reserved", "context", "dropped", "over", "estimated")}


class ListActions:
    """POST /ui/manage: everything that concerns whole conversations.

    `elsewhere` erases what an owner has in other places than the chats.
    """

    def __init__(self, chat: Chat, elsewhere: Callable[[Owner], Awaitable[None]]) -> None:
        self.chat, self.elsewhere = chat, elsewhere
        self.store = chat.store
        self.doing: dict[str, Callable[[str, Manage], Awaitable[Any]]] = {
            "rename": self.rename,
            "pin": lambda owner, ask: asyncio.to_thread(self.store.conversations.pin, owner, ask.id, True),
            "unpin": lambda owner, ask: asyncio.to_thread(self.store.conversations.pin, owner, ask.id, False),
            "delete": self.delete,
            "restore": lambda owner, ask: asyncio.to_thread(self.store.conversations.restore, owner, ask.id),
            "erase": self.erase,
        }

    async def do(self, owner: Owner, asked: Asked) -> Asked:
        ask = Manage.read(asked)
        if ask.do not in self.doing:
            raise unknown(ask.do)
        await self.doing[ask.do](owner, ask)
        return {}

    async def rename(self, owner: Owner, ask: Manage) -> None:
        title = cut_title(ask.title)
        if not title:
            raise ChatError("A title cannot be empty. The old one stays.", status=422)
        await asyncio.to_thread(self.store.conversations.rename, owner, ask.id, title)

    async def delete(self, owner: Owner, ask: Manage) -> None:
        await self.chat.stop_all(owner, ask.id)
        await asyncio.to_thread(self.store.conversations.delete, owner, ask.id)

    async def erase(self, owner: Owner, ask: Manage) -> None:
        """Everything of this visitor, temporary chats and comparisons too."""
        await self.elsewhere(owner)
        await self.chat.stop_all(owner)
        await self.chat.stores.erase(owner)
        self.chat.removals.forget(owner)
        self.chat.meter.forget(owner)


def unknown(name: str) -> ChatError:
    return ChatError(f"The page asked for {name!r}, which this version of the server does not know. Reload the page.", status=404)


def add(door: Door, chat: Chat, elsewhere: Callable[[Owner], Awaitable[None]]) -> None:
    """Hang the chat page's actions on the door."""
    conversation, conversations = ChatActions(chat), ListActions(chat, elsewhere)
    door.actions |= {"chat": conversation.do, "measure": conversation.measure, "manage": conversations.do}
