"""Sending, following and stopping replies, and conversations as they are this moment: as stored, with what running replies added."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from chatapp.chat import watching
from chatapp.chat.build import clean
from chatapp.chat.context import Meter
from chatapp.chat.job import Job
from chatapp.chat.removals import Removals
from chatapp.chat.replies import CURRENT_LEAF, Replies
from chatapp.chat.stores import Stores
from chatapp.identity import Owner
from chatapp.sampling import DEFAULTS, Sampling
from chatapp.store import Outline, Store
from chatapp.store.outline import said
from chatapp.turn import Message, Turn, new_id

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager


class Chat:
    """The one meeting of models and store. Its coroutines run on the server's one event loop; every call checks the owner.

    `store` is public for reading, renaming, deleting; `stores.temporary` holds the chats that are kept nowhere, in memory.
    `replies` are those that run or wait; what else begins one is in chat/actions.py.
    """

    def __init__(self, models: "ModelManager", store: Store) -> None:
        self.models = models
        self.store = store
        self.stores = Stores(store)
        self.removals = Removals()
        self.replies = Replies(models, self.path)
        self.jobs = self.replies.jobs
        self.meter = Meter(models, self.path)
        store.running.interrupt_dead()

    async def send(
        self,
        owner: Owner,
        text: str,
        *,
        conversation_id: str | None = None,
        parent_id: str | None = CURRENT_LEAF,
        system: str = "",
        sampling: Sampling = DEFAULTS,
        history: Sequence[Message] = (),
        keep: bool = True,
        model: str = "",
    ) -> Turn:
        """Begin a reply and return its live turn; the question is on disk by then. `model` names who answers; '' whom the conversation
        remembers, the first one in a new one.

        While a reply of this conversation runs, the message waits behind it: `position` says where, `stop` takes it back.
        Raises ChatError: nothing to send, too long (with the numbers), the queue is full (429), no engine, nothing can be saved.
        """
        known, parent_id = conversation_id is not None, parent_id if conversation_id else None
        turn = Turn(
            owner, conversation_id or new_id(), clean(text), parent_id=parent_id, system=system, history=tuple(history), sampling=sampling
        )
        slot = None if known and not model else self.models.find(model)
        return await self.replies.start(turn, await self.stores.open(keep), slot, known=known)

    async def follow(self, owner: Owner, turn_id: str) -> AsyncIterator[Turn]:
        """The live turn, now and after each change, as fast as the reader reads; ends after the final state. Closing it ends nothing.

        A turn that has ended comes once; one that another process writes comes from the store, a little later than there.
        """
        job = await self._job(owner, turn_id)
        async for turn in job.follow() if job else watching.follow(self.stores, owner, turn_id):
            yield turn

    async def stop(self, owner: Owner, turn_id: str) -> None:
        """End a reply at once and keep what was shown, or take a waiting message back. Returns when that is saved.

        A message taken back stays in the tree, its text restorable; no later prompt contains it.
        """
        job = await self._job(owner, turn_id)
        if job is None:
            await watching.stop(self.stores, owner, turn_id)
            return
        self.replies.stop(job)
        await job.saved.wait()

    async def stop_all(self, owner: Owner, conversation_id: str | None = None) -> None:
        """Stop every reply of one conversation, or of everything that is the owner's: call it before deleting."""
        jobs = self.jobs.running(owner, conversation_id)
        for job in reversed(jobs):  # the waiting ones first, so that none of them begins
            self.replies.stop(job)
        for job in jobs:
            await job.saved.wait()
        await asyncio.to_thread(self.store.running.stop_all, owner, conversation_id)  # those that other processes write

    def running(self, owner: Owner, conversation_id: str) -> list[Turn]:
        """Live turns of a conversation, running or waiting, in the order they will run."""
        return [job.turn for job in self.jobs.running(owner, conversation_id)]

    def position(self, turn_id: str) -> int | None:
        """Its place in its model's queue, 1 is next; None when it runs, or is not here."""
        job = self.jobs.get(turn_id)
        return job.ticket.queue.position(turn_id) if job else None

    def unsaved(self, turn_id: str) -> str:
        """Why the latest state of this turn is not in the store yet; '' when it is."""
        job = self.jobs.get(turn_id)
        return job.unsaved if job else ""

    async def find(self, owner: Owner, turn_id: str) -> tuple[Store, Turn]:
        """One turn, live where it runs, and where it is kept. NotFound when it is not the owner's."""
        job = self.jobs.get(turn_id)  # before reading, as in outline()
        store, turn = await self.stores.look(lambda store: store.turn(owner, turn_id))
        return store, job.over(turn) if job else turn

    async def turn(self, owner: Owner, turn_id: str) -> Turn:
        """One turn, live where it runs."""
        return (await self.find(owner, turn_id))[1]

    async def outline(self, owner: Owner, conversation_id: str, leaf: str | None = None) -> tuple[Store, Outline]:
        """root → leaf as in the store, without prompts, with the live turns of running replies and of those that could not be saved."""
        live = self.jobs.all()  # before reading: a reply that ends meanwhile is then still the newer one
        store, found = await self.stores.look(lambda store: store.outline(owner, conversation_id, leaf))
        return store, replace(found, turns=with_live(found.turns, live))

    async def path(self, owner: Owner, conversation_id: str, leaf: str | None = None) -> list[Turn]:
        """The same turns with what was said in them, and nothing else of those that have ended."""
        live = self.jobs.all()
        _, found = await self.stores.look(lambda store: said(store.database, owner, conversation_id, leaf))
        return with_live(found, live)

    async def shutdown(self) -> None:
        """End every reply as interrupted, save them all, take no more. Continue is offered at the next start."""
        await self.replies.shutdown()
        self.stores.close()

    async def _job(self, owner: Owner, turn_id: str) -> Job | None:
        """None for a turn that has ended. One that was written down this moment gets its job a moment later."""
        turn = await self.turn(owner, turn_id) if self.jobs.of(owner, turn_id) is None else None
        if turn and turn.running:
            await self.replies.begun(turn.conversation_id)
        return self.jobs.of(owner, turn_id)


def with_live(turns: Sequence[Turn], live: Mapping[str, Job]) -> list[Turn]:
    """A path as stored, with the live turns of these jobs in the place of their own."""
    return [live[turn.id].over(turn) if turn.id in live else turn for turn in turns]
