"""The one meeting of engine and store: send, regenerate, edit, continue, branch, stop. Replies run as jobs of the server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from chatapp.chat import watching
from chatapp.chat.build import ReplyPrefix, branched, build_prompt, clean, continued, engine_sampling, stamp
from chatapp.chat.context import Meter
from chatapp.chat.job import Job, Jobs
from chatapp.chat.stores import Stores
from chatapp.engines.base import Engine
from chatapp.errors import ChatError, NotFound
from chatapp.resident.admission import Admission, asked_from
from chatapp.sampling import Sampling
from chatapp.store import Outline, Store
from chatapp.turn import Event, FinishReason, Message, Turn, new_id

if TYPE_CHECKING:
    from chatapp.resident.slot import Resident

CURRENT_LEAF = "current leaf"
"""As parent_id: go on from where the conversation stands. None begins it anew beside its first question."""

DEFAULTS = Sampling()


class Chat:
    """Everything that happens to conversations. Its coroutines run on the server's one event loop; every call checks the owner.

    `store` is public for reading, renaming, deleting; `path` reads it with what running replies have not written yet.
    `stores.temporary` holds the chats that are kept nowhere, in memory.
    """

    def __init__(self, resident: "Resident", store: Store, *, max_waiting: int = 64, max_waiting_each: int = 32) -> None:
        self.resident = resident
        self.store = store
        self.stores = Stores(store)
        self.queue = Admission(max_waiting, max_waiting_each, slots=self._slots, ready=self._engine_ready, moved=self._moved)
        self.meter = Meter(resident, self.path)
        self._jobs = Jobs()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._closed = False
        store.interrupt_running()

    async def send(
        self,
        owner: str,
        text: str,
        *,
        conversation_id: str | None = None,
        parent_id: str | None = CURRENT_LEAF,
        system: str = "",
        sampling: Sampling = DEFAULTS,
        history: Sequence[Message] = (),
        keep: bool = True,
    ) -> Turn:
        """Begin a reply and return its live turn; the question is on disk by then.

        While a reply of this conversation runs, the message waits behind it: `position` says where, `stop` takes it back.
        Raises ChatError: nothing to send, too long (with the numbers), the queue is full (429), no engine, nothing can be saved.
        """
        known, parent_id = conversation_id is not None, parent_id if conversation_id else None
        turn = Turn(
            owner, conversation_id or new_id(), clean(text), parent_id=parent_id, system=system, history=tuple(history), sampling=sampling
        )
        return await self._own(self._start(turn, await self.stores.open(keep), known=known))

    async def regenerate(self, owner: str, turn_id: str, *, sampling: Sampling | None = None, system: str | None = None) -> Turn:
        """Another reply to the same question, beside the first. Returns the live turn."""
        store, old = await self._find(owner, turn_id)
        return await self._beside(old, store, sampling=sampling, system=system)

    async def edit(self, owner: str, turn_id: str, text: str, *, sampling: Sampling | None = None, system: str | None = None) -> Turn:
        """Another question in the place of this one; the old one and what followed stay beside it. Returns the live turn."""
        store, old = await self._find(owner, turn_id)
        return await self._beside(old, store, user=clean(text), sampling=sampling, system=system)

    async def resume(self, owner: str, turn_id: str, *, sampling: Sampling | None = None) -> Turn:
        """Continue a cut reply from its very ids (from its text, where another model is loaded now). Returns the live turn."""
        store, old = await self._find(owner, turn_id)
        if not old.can_continue:
            cure = "Stop it first." if old.running else "Only a reply that was cut can be continued."
            raise ChatError(f"This reply is {'still being written' if old.running else 'complete'}. {cure}", status=409)
        engine = self.resident.engine if self.resident.state == "ready" else None
        return await self._beside(old, store, sampling=sampling, beginning=continued(old, engine), continues=old.id)

    async def branch(self, owner: str, turn_id: str, position: int, token_id: int, *, sampling: Sampling | None = None) -> Turn:
        """The reply's first `position` tokens, then `token_id` instead of what stood there; the model goes on. Returns the live turn."""
        store, old = await self._find(owner, turn_id)
        beginning = branched(old, position, token_id, self.resident.engine)
        return await self._beside(old, store, sampling=sampling, beginning=beginning)

    async def follow(self, owner: str, turn_id: str) -> AsyncIterator[Turn]:
        """The live turn, now and after each change, as fast as the reader reads; ends after the final state. Closing it ends nothing.

        A turn that has ended comes once; one that another process writes comes from the store, a little later than there.
        """
        job = await self._job_of(owner, turn_id)
        async for turn in job.follow() if job else watching.follow(self.stores, owner, turn_id):
            yield turn

    async def stop(self, owner: str, turn_id: str) -> None:
        """End a reply at once and keep what was shown, or take a waiting message back. Returns when that is saved.

        A message taken back stays in the tree as `Turn.taken_back`, its text restorable; no later prompt contains it.
        """
        job = await self._job_of(owner, turn_id)
        if job is None:
            await watching.stop(self.stores, owner, turn_id)
            return
        self._stop(job, "stopped")
        await job.saved.wait()

    async def stop_all(self, owner: str, conversation_id: str | None = None) -> None:
        """Stop every reply of one conversation, or of everything that is the owner's: call it before deleting."""
        jobs = self._jobs.running(owner, conversation_id)
        for job in reversed(jobs):  # the waiting ones first, so that none of them begins
            self._stop(job, "stopped")
        for job in jobs:
            await job.saved.wait()
        await asyncio.to_thread(self.store.running.stop_all, owner, conversation_id)  # those that other processes write

    def position(self, turn_id: str) -> int | None:
        """Place in the queue, 1 is next; None once it runs."""
        return self.queue.position(turn_id)

    def running(self, owner: str, conversation_id: str) -> list[Turn]:
        """Live turns of a conversation, running or waiting, in the order they will run."""
        return [job.turn for job in self._jobs.running(owner, conversation_id)]

    def writing(self) -> bool:
        """Whether any reply runs or waits."""
        return self._jobs.busy

    def unsaved(self, turn_id: str) -> str:
        """Why the latest state of this turn is not in the store yet; '' when it is."""
        job = self._jobs.get(turn_id)
        return job.unsaved if job else ""

    async def turn(self, owner: str, turn_id: str) -> Turn:
        """One turn, live where it runs. NotFound when it is not the owner's."""
        return (await self._find(owner, turn_id))[1]

    async def outline(self, owner: str, conversation_id: str, leaf: str | None = None) -> tuple[Store, Outline]:
        """root → leaf as in the store, without prompts, with the live turns of running replies and of those that could not be saved."""
        live = self._jobs.all()  # before reading: a reply that ends meanwhile is then still the newer one
        store, found = await self.stores.look(lambda store: store.outline(owner, conversation_id, leaf))
        return store, replace(found, turns=[live[turn.id].over(turn) if turn.id in live else turn for turn in found.turns])

    async def path(self, owner: str, conversation_id: str, leaf: str | None = None) -> list[Turn]:
        """The turns of outline()."""
        return (await self.outline(owner, conversation_id, leaf))[1].turns

    async def shutdown(self) -> None:
        """End every reply as interrupted, save them all, take no more. Continue is offered at the next start."""
        self._closed = True
        self.queue.close()
        while self._tasks:
            for job in self._jobs.all().values():  # again and again: a message may be on its way in
                job.stop("interrupted")
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        await self._jobs.save_unsaved()
        self.stores.close()

    async def _start(self, turn: Turn, store: Store, *, known: bool = False, beginning: ReplyPrefix | None = None) -> Turn:
        """`known`: the conversation's id came from outside, so it must exist and be the owner's."""
        async with self._lock(turn.conversation_id):
            if known:
                turn.parent_id = await self._parent(turn, store)
            return await self._begin(turn, store, beginning)

    async def _parent(self, turn: Turn, store: Store) -> str | None:
        """The parent's id, checked to be the owner's and of this conversation."""
        path = await asyncio.to_thread(store.path, turn.owner, turn.conversation_id)
        if turn.parent_id == CURRENT_LEAF:
            return path[-1].id if path else None
        if turn.parent_id is not None:
            parent = await asyncio.to_thread(store.turn, turn.owner, turn.parent_id)
            if parent.conversation_id != turn.conversation_id:
                raise NotFound("The message to go on from")
        return turn.parent_id

    async def _beside(
        self,
        old: Turn,
        store: Store,
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
        return await self._own(self._start(turn, store, beginning=beginning))

    async def _begin(self, turn: Turn, store: Store, beginning: ReplyPrefix | None) -> Turn:
        """Check, take a place in the queue, render if that is possible yet, write the question down, run."""
        if self._closed:
            raise ChatError("The server is shutting down. Send again when it is back.", status=503)
        if reason := await self._jobs.save_unsaved():
            raise ChatError(f"A reply could not be saved, so nothing more is sent until it can: {reason}", status=507)
        if self.resident.state == "failed":
            self.resident.engine  # noqa: B018  raises the reason
        now = self.resident.state == "ready" and not self._jobs.running(turn.owner, turn.conversation_id)
        with ExitStack() as undo:
            ticket = self.queue.enter(turn.id, turn.conversation_id, turn.owner, asked_from.get())
            undo.callback(self.queue.leave, ticket)
            at_once = ticket.admitted.done()
            # One that waits is rendered for the check of its length alone: what is before it may be gone when its time comes.
            engine = await self._render(turn if at_once else turn.snapshot(), beginning) if now else None
            ask = partial(self._ask, store=store, beginning=beginning, rendered_for=engine if at_once else None)
            await asyncio.to_thread(store.begin, turn.snapshot())
            undo.pop_all()
        job = Job(turn, store, ticket, ask)
        self._jobs.add(job)
        self._keep(job.start()).add_done_callback(lambda _: self._finished(job))
        return turn

    async def _render(self, turn: Turn, beginning: ReplyPrefix | None) -> Engine:
        engine = self.resident.engine
        path = await self.path(turn.owner, turn.conversation_id, turn.parent_id) if turn.parent_id else []
        prompt, prefix_tokens = await asyncio.to_thread(build_prompt, turn, path, engine, beginning)
        stamp(turn, prompt, prefix_tokens, engine)
        return engine

    async def _ask(self, turn: Turn, *, store: Store, beginning: ReplyPrefix | None, rendered_for: Engine | None) -> AsyncGenerator[Event]:
        """Its time has come: render what waited for anything, and hand the very ids to the engine."""
        engine = self.resident.engine
        if rendered_for is not engine:
            turn.parent_id = (await asyncio.to_thread(store.turn, turn.owner, turn.id)).parent_id  # an earlier turn may be gone
            engine = await self._render(turn, beginning)
        return engine.generate(turn.prompt_ids, engine_sampling(turn, engine))

    def _stop(self, job: Job, reason: FinishReason) -> None:
        job.stop(reason)
        if not job.asked:
            self.queue.leave(job.ticket)

    def _finished(self, job: Job) -> None:
        self._jobs.ended(job)
        self.queue.leave(job.ticket)

    def _slots(self) -> int:
        return self.resident.engine.capabilities.concurrency if self.resident.state == "ready" else 0

    async def _engine_ready(self) -> None:
        with suppress(ChatError):  # somebody may have begun to switch again: that is no reason to send those waiting away
            await self.resident.wait_ready()
        if self.resident.state == "failed":
            self.resident.engine  # noqa: B018  raises the reason

    def _moved(self, waiting: list[str]) -> None:
        for key in waiting:
            if job := self._jobs.get(key):
                job.notify()

    async def _job_of(self, owner: str, turn_id: str) -> Job | None:
        """None for a turn that has ended. One that was written down this moment gets its job before its conversation's lock is free."""
        turn = (await self._find(owner, turn_id))[1] if self._job(owner, turn_id) is None else None
        if turn and turn.running:
            async with self._lock(turn.conversation_id):
                pass
        return self._job(owner, turn_id)

    def _job(self, owner: str, turn_id: str) -> Job | None:
        job = self._jobs.get(turn_id)
        return job if job and job.turn.owner == owner else None

    async def _find(self, owner: str, turn_id: str) -> tuple[Store, Turn]:
        job = self._jobs.get(turn_id)  # before reading, as in path()
        store, turn = await self.stores.look(lambda store: store.turn(owner, turn_id))
        return store, job.over(turn) if job else turn

    def _lock(self, conversation_id: str) -> asyncio.Lock:
        return self._locks.setdefault(conversation_id, asyncio.Lock())

    async def _own(self, work: Coroutine[Any, Any, Turn]) -> Turn:
        """The server's work, not the visitor's: a page that closes in the middle of sending does not undo half of it."""
        return await asyncio.shield(self._keep(asyncio.get_running_loop().create_task(work)))

    def _keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
