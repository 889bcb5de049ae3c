"""Replies that run or wait: each takes a place in the queue, gets its prompt when its time comes, and is written by the engine."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from chatapp.chat.build import ReplyPrefix, build_prompt, replying, stamp
from chatapp.chat.job import Job, Jobs
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.resident.admission import asked_from
from chatapp.store import Store
from chatapp.turn import Event, FinishReason, Turn

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot

CURRENT_LEAF = "current leaf"
"""As parent_id: go on from where the conversation stands. None begins it anew beside its first question."""

ReadPath = Callable[[str, str, str | None], Awaitable[list[Turn]]]


class Replies:
    """Everything between a question and the last word of its reply. `jobs` are those of this process; a model's queue decides who is next.

    `path(owner, conversation_id, leaf)` reads what was said before, live turns included.
    """

    def __init__(self, models: "ModelManager", path: ReadPath) -> None:
        self.models = models
        models.moved = self._moved
        self.jobs = Jobs()
        self._path = path
        self._work = Work()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False

    async def start(
        self, turn: Turn, store: Store, slot: "ModelSlot | None", *, known: bool = False, beginning: ReplyPrefix | None = None
    ) -> Turn:
        """Begin a reply by this model and return its live turn; a model that is not in memory is loaded first.

        None: by whom the conversation remembers, read when it is this message's turn, so that messages keep the order they came in.
        `known`: the conversation's id came from outside, so it must exist and be the owner's. A page that closes in the middle of sending
        does not undo half of it.
        """
        return await asyncio.shield(self._work.keep(self._start(turn, store, slot, known, beginning)))

    def stop(self, job: Job, reason: FinishReason = "stopped") -> None:
        """End it at once; one that waits leaves the queue."""
        job.stop(reason)
        if not job.asked:
            job.ticket.leave()

    async def begun(self, conversation_id: str) -> None:
        """Returns when no message is on its way into this conversation: what is written down there has its job by then."""
        async with self._lock(conversation_id):
            pass

    async def shutdown(self) -> None:
        """End every reply as interrupted, save them all, take no more."""
        self._closed = True
        for slot in self.models.slots():
            slot.queue.close()
        while self._work.tasks:
            for job in self.jobs.all().values():  # again and again: a message may be on its way in
                job.stop("interrupted")
            await asyncio.wait(self._work.tasks, return_when=asyncio.FIRST_COMPLETED)
        await self.jobs.save_unsaved()

    async def answerer(self, owner: Owner, conversation_id: str, store: Store) -> "ModelSlot":
        """Who answers in a conversation: the model that it remembers, where that is known here, else the first one. Raises NotFound."""
        id = await asyncio.to_thread(store.conversations.model, owner, conversation_id)
        return self.models.remembered(id) or self.models.first

    async def _start(self, turn: Turn, store: Store, slot: "ModelSlot | None", known: bool, beginning: ReplyPrefix | None) -> Turn:
        async with self._lock(turn.conversation_id):
            if known:
                turn.parent_id = await parent_of(turn, store)
            slot = slot or await self.answerer(turn.owner, turn.conversation_id, store)
            await self._refuse_where_it_cannot_run(slot)
            return await self._begin(turn, store, slot, beginning)

    async def _refuse_where_it_cannot_run(self, slot: "ModelSlot") -> None:
        if self._closed:
            raise ChatError("The server is shutting down. Send again when it is back.", status=503)
        if reason := await self.jobs.save_unsaved():
            raise ChatError(f"A reply could not be saved, so nothing more is sent until it can: {reason}", status=507)
        if slot.state == "failed":
            slot.engine  # noqa: B018  raises the reason
        if slot.state == "leaving":
            raise ChatError(f"{slot.id} is being unloaded: it finishes what it has begun, and takes no more.", status=503)
        if slot.state == "unloaded":
            slot.wake()

    async def _begin(self, turn: Turn, store: Store, slot: "ModelSlot", beginning: ReplyPrefix | None) -> Turn:
        """Take a place in the queue, render if that is possible yet, write the question down, run."""
        now = slot.state == "ready" and not self.jobs.running(turn.owner, turn.conversation_id)
        with ExitStack() as undo:
            ticket = slot.queue.enter(turn.id, turn.conversation_id, turn.owner, asked_from.get())
            undo.callback(ticket.leave)
            at_once = ticket.admitted.done()
            # One that waits is rendered for the check of its length alone: what is before it may be gone when its time comes.
            engine = await self._render(turn if at_once else turn.snapshot(), slot, beginning) if now else None
            ask = partial(self._ask, store=store, slot=slot, beginning=beginning, rendered_for=engine if at_once else None)
            await asyncio.to_thread(store.begin, turn.snapshot(), slot.id)
            undo.pop_all()
        job = Job(turn, store, ticket, ask)
        self.jobs.add(job)
        self._work.keep(job.start()).add_done_callback(lambda _: self._finished(job))
        return turn

    async def _render(self, turn: Turn, slot: "ModelSlot", beginning: ReplyPrefix | None) -> Engine:
        engine = slot.engine
        path = await self._path(turn.owner, turn.conversation_id, turn.parent_id) if turn.parent_id else []
        stamp(turn, await asyncio.to_thread(build_prompt, turn, path, engine, beginning), engine)
        return engine

    async def _ask(
        self, turn: Turn, *, store: Store, slot: "ModelSlot", beginning: ReplyPrefix | None, rendered_for: Engine | None
    ) -> AsyncGenerator[Event]:
        """Its time has come: render what waited for anything, and hand the very ids to the engine."""
        engine = slot.engine
        if rendered_for is not engine:
            turn.parent_id = await asyncio.to_thread(store.parent, turn.owner, turn.id)  # an earlier turn may be gone
            engine = await self._render(turn, slot, beginning)
        return replying(turn, engine)

    def _finished(self, job: Job) -> None:
        self.jobs.ended(job)
        job.ticket.leave()

    def _moved(self, waiting: list[str]) -> None:
        for key in waiting:
            if job := self.jobs.get(key):
                job.notify()

    def _lock(self, conversation_id: str) -> asyncio.Lock:
        return self._locks.setdefault(conversation_id, asyncio.Lock())


class Work:
    """Tasks of the server itself, which nobody else may hold: without this they could be collected while they run."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()

    def keep(self, work: Coroutine[Any, Any, Any] | asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Held until it is done."""
        task = work if isinstance(work, asyncio.Task) else asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


async def parent_of(turn: Turn, store: Store) -> str | None:
    """The parent's id, in a conversation that exists and is the owner's."""
    leaf = await asyncio.to_thread(store.leaf, turn.owner, turn.conversation_id)
    return leaf if turn.parent_id == CURRENT_LEAF else turn.parent_id  # that this one is in the conversation, begin() checks
