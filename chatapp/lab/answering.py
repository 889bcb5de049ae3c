"""The cells of one model, answered: a worker for each of the engine's slots, which stays with a prompt, so that it is read once.

An engine keeps what a slot has read. So a worker takes all cells of one prompt one after the other, and helps with another's prompt only
when no prompt is left that nobody has begun, and once that was read: engines share one reading between replies, llama.cpp's where it is
told that there will be several (`sharing`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, MutableMapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from chatapp.chat.build import build_prompt, replying, stamp
from chatapp.chat.job import Job
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.lab.grid import Cell
from chatapp.resident.admission import Ticket
from chatapp.turn import Event, FinishReason, Prefilled, Prompt, Turn, new_id

if TYPE_CHECKING:
    from chatapp.engines.base import Engine
    from chatapp.resident.slot import ModelSlot

T = TypeVar("T")

FULL_AGAIN = 0.5
"""Seconds until a place is asked for again where the queue was full."""


@dataclass(eq=False)
class Group:
    """Cells that ask a model the same: one prompt, read once. `read` is set when a first one was; `held` is what the engine keeps for all
    while `running` replies are written, or more are left."""

    cells: deque[Cell] = field(default_factory=deque)
    begun: bool = False
    running: int = 0
    held: ExitStack = field(default_factory=ExitStack)
    read: asyncio.Event = field(default_factory=asyncio.Event)
    prompts: dict[tuple["Engine", int], Prompt] = field(default_factory=dict)

    def share(self, engine: "Engine", prompt: Prompt) -> None:
        """By an engine whose slots do not find what another one has read (llama.cpp)."""
        if self.cells and (sharing := getattr(engine, "sharing", None)):
            self.held.enter_context(sharing(prompt.ids))

    def left(self) -> None:
        """A reply has ended."""
        self.read.set()
        self.running -= 1
        if not self.running and not self.cells:
            self.held.close()


class Nowhere:
    """A reply of a grid is a row of its file, not a turn of the store: what a job saves goes nowhere."""

    def progress(self, turn: Turn) -> FinishReason:
        """Nobody else ends it."""
        return ""

    def reason(self, turn: Turn) -> FinishReason:
        """Nobody else ends it."""
        return ""

    def finish(self, turn: Turn) -> None:
        """The row is written by the comparison."""


class Answering:
    """`live` holds the running turns by Cell.key; `going` is cleared in a pause; `ended` is awaited with each cell and its ended turn."""

    def __init__(
        self,
        slot: "ModelSlot",
        cells: Sequence[Cell],
        owner: Owner,
        *,
        live: MutableMapping[tuple[int, str, int], Turn],
        going: asyncio.Event,
        ended: Callable[[Cell, Turn], Awaitable[None]],
    ) -> None:
        self.slot, self.owner = slot, owner
        self._live, self._going, self._ended = live, going, ended
        self._jobs: dict[Cell, Job] = {}
        self._groups = grouped(cells)
        places = slot.engine.capabilities.concurrency
        self._workers = min(places, slot.queue.limits.running_each or places, len(cells))

    async def run(self) -> None:
        """Until every cell has ended. Cancelled, it stops what runs."""
        with ExitStack() as held:
            for group in self._groups:
                held.callback(group.held.close)
            await together(self._work() for _ in range(self._workers))

    def stop(self, label: str) -> None:
        """Leave out the cells of one column, and stop those that run."""
        for group in self._groups:
            group.cells = deque(cell for cell in group.cells if cell.variant.label != label)
        for cell, job in list(self._jobs.items()):
            if cell.variant.label == label:
                _stop(job)

    async def _work(self) -> None:
        mine: Group | None = None
        while (mine := self._next(mine)) is not None:
            if mine.begun:
                await mine.read.wait()
            mine.begun = True
            await self._going.wait()
            if mine.cells:
                await self._answer(mine, mine.cells.popleft())
            else:
                mine.read.set()  # its cells were stopped meanwhile, and somebody may wait to help

    def _next(self, mine: Group | None) -> Group | None:
        """The one it has; else one that nobody has begun; else the one with most left."""
        left = [group for group in self._groups if group.cells]
        if mine in left or not left:
            return mine if left else None
        return next((group for group in left if not group.begun), None) or max(left, key=lambda group: len(group.cells))

    def _helped(self) -> bool:
        """Are there fewer prompts than workers, so that others come to the one that begins?"""
        return sum(bool(group.cells or group.running) for group in self._groups) < self._workers

    async def _answer(self, group: Group, cell: Cell) -> None:
        turn = Turn(self.owner, new_id(), cell.question.text, system=cell.variant.system, sampling=cell.sampling)
        ticket = await self._place(turn)
        job = Job(turn, Nowhere(), ticket, partial(self._ask, group=group))
        self._jobs[cell], self._live[cell.key] = job, turn
        running = job.start()
        group.running += 1
        try:
            await asyncio.wait({running})
        finally:
            _stop(job)  # which does nothing to one that has ended
            await asyncio.wait({running})
            ticket.leave()
            group.left()
            del self._jobs[cell], self._live[cell.key]
        if turn.finish_reason != "stopped":
            await self._ended(cell, turn)

    async def _place(self, turn: Turn) -> Ticket:
        """In the model's queue, behind whoever chats with it. Asked for again where it is full."""
        while True:
            try:
                return self.slot.queue.enter(turn.id, turn.conversation_id, self.owner)
            except ChatError:
                await asyncio.sleep(FULL_AGAIN)

    async def _ask(self, turn: Turn, *, group: Group) -> AsyncGenerator[Event]:
        if self.slot.state == "leaving":
            raise ChatError(f"{self.slot.id} is being unloaded: it finishes what it has begun, and takes no more.", status=503)
        engine = self.slot.engine
        known = engine, turn.sampling.max_tokens
        if known not in group.prompts:
            group.prompts[known] = await asyncio.to_thread(build_prompt, turn, [], engine)
            if self._helped():
                group.share(engine, group.prompts[known])
        stamp(turn, group.prompts[known], engine)
        return _telling(replying(turn, engine), group.read)


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once. The first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def grouped(cells: Sequence[Cell]) -> list[Group]:
    """In their order, those with one prompt together."""
    groups: dict[tuple[str, str], Group] = {}
    for cell in cells:
        groups.setdefault((cell.variant.system, cell.question.text), Group()).cells.append(cell)
    return list(groups.values())


async def _telling(events: AsyncGenerator[Event], read: asyncio.Event) -> AsyncGenerator[Event]:
    """The same events; sets `read` when the prompt was read."""
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Prefilled):
                read.set()
            yield event


def _stop(job: Job) -> None:
    job.stop()
    if not job.asked:
        job.ticket.leave()
