"""A reply as a job of the server: it generates, keeps the live turn, saves it, and lets anybody watch."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Protocol

from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.resident.admission import Ticket
from chatapp.turn import Event, Finish, FinishReason, Heard, Prefilled, Sent, Timings, Token, Turn

log = logging.getLogger("chatapp")

SAVE_EVERY = 0.3
"""Seconds between the end of one write of a running reply and the next: with the write itself, what a killed process can lose."""

LOOK_EVERY = 1.0
"""Seconds between two looks into the store at a turn of which there is nothing new to write: it waits, or the model reads its prompt."""


class Saves(Protocol):
    """The part of a store that a job writes to. All raise ChatError when they cannot, NotFound when the turn was deleted.

    `progress`, and `reason` without writing, say why somebody else has ended the turn, '' when nobody has.
    """

    def progress(self, turn: Turn) -> FinishReason: ...

    def reason(self, turn: Turn) -> FinishReason: ...

    def finish(self, turn: Turn) -> None: ...


class Job:
    """One reply, from its place in the queue to its final state. Belongs to the event loop it was started on.

    `turn` is live: text, ids and timings grow in place. `unsaved` says why its latest state is not in the store, '' if it is.
    `ask` is awaited once, when the turn is admitted: it completes the prompt and gives the engine's events.
    """

    def __init__(self, turn: Turn, store: Saves, ticket: Ticket, ask: Callable[[Turn], Awaitable[AsyncGenerator[Event]]]) -> None:
        self.turn = turn
        self.store = store
        self.ticket = ticket
        self.unsaved = ""
        self.saved = asyncio.Event()
        self.asked = False
        self._ask = ask
        self._entered = time.monotonic()
        self._began = 0.0
        self._changed = asyncio.Event()
        self._ended = asyncio.Event()
        self._version = self._written = 0

    def start(self) -> asyncio.Task[None]:
        """Begin. The task returned is done when the engine is free again and the final state was written, or could not be."""
        loop = asyncio.get_running_loop()
        self._worker = loop.create_task(self._reply(), name=f"reply {self.turn.id}")
        self._saver = loop.create_task(self._save_regularly(), name=f"saves {self.turn.id}")
        return loop.create_task(self._supervise(), name=f"job {self.turn.id}")

    def stop(self, reason: FinishReason = "stopped") -> None:
        """End now: what was shown stays, later tokens are not taken, the engine is closed behind it."""
        self._end(reason)
        self._worker.cancel()

    def notify(self) -> None:
        """Something to look at changed: wake every follower."""
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def over(self, stored: Turn) -> Turn:
        """The live turn in the place of what the store has of it, which is older, except that it knows the tree."""
        self.turn.parent_id = stored.parent_id
        return self.turn

    async def follow(self) -> AsyncIterator[Turn]:
        """The live turn, now and after changes, as often as the reader asks; ends when the final state was shown and written."""
        while self.turn.running:
            changed = self._changed
            yield self.turn
            await changed.wait()
        yield self.turn
        await self.saved.wait()

    async def _reply(self) -> None:
        await self.ticket.admitted
        events = await self._ask(self.turn)
        self.asked = True
        self._began = time.monotonic()
        self.turn.timings = Timings(started=time.time(), queued=self._began - self._entered)
        self.notify()
        async with aclosing(events):
            async for event in events:
                self._take(event)

    def _take(self, event: Event) -> None:
        turn = self.turn
        if not turn.running:
            return
        if isinstance(event, Prefilled):
            turn.cached_prompt_tokens = event.reused
        if isinstance(event, Sent):
            turn.prompt_text = event.text
        if isinstance(event, Heard):
            turn.heard = event.text
        if isinstance(event, Token):
            self._append(event)
        if isinstance(event, Finish):
            turn.reply_text += event.text
            self._end(event.reason)
        self.notify()

    def _append(self, token: Token) -> None:
        turn, since = self.turn, time.monotonic() - self._began
        turn.reply_text += token.text
        # An engine without ids has text only: its turns cannot be shown or continued token by token, but are whole to read.
        if token.id is not None:
            turn.reply_ids.append(token.id)
            turn.logprobs.append(token.logprob)
        first = since if turn.timings.first_token is None else turn.timings.first_token
        turn.timings = replace(turn.timings, first_token=first, generating=since)

    async def _supervise(self) -> None:
        """Outcomes are read from the worker as values, so that no failure of an engine can end anything but its own reply."""
        await asyncio.wait({self._worker})
        if self._worker.cancelled():
            self._end("error", "The reply was cancelled by the server.")
        elif error := self._worker.exception():
            self._end("error", sentence(error, "the model was writing"))
        else:
            self._end("error", "The model stopped without saying why.")
        await self._saver

    def _end(self, reason: FinishReason, error: str = "") -> None:
        """The final state; only the first call counts."""
        if not self.turn.running:
            return
        if self.asked:
            self.turn.timings = replace(self.turn.timings, generating=time.monotonic() - self._began)
        self.turn.finish_reason, self.turn.error = reason, error
        self._ended.set()
        self.notify()

    async def _save_regularly(self) -> None:
        """One write at a time, of a copy, in a thread: tokens never wait for the disk."""
        final, looked = False, time.monotonic()
        try:
            while not final:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SAVE_EVERY):
                        await self._ended.wait()
                final = not self.turn.running
                if final or self._written != self._version or time.monotonic() - looked > LOOK_EVERY:
                    await self.save()
                    looked = time.monotonic()
        finally:
            self.saved.set()

    async def save(self) -> None:
        """Write the turn as it is now; `unsaved` says how it went. One that was deleted or stopped in the store ends here, too."""
        version, copy = self._version, self.turn.snapshot()
        running = self.store.reason if version == self._written else self.store.progress
        (result,) = await asyncio.gather(asyncio.to_thread(running if copy.running else self.store.finish, copy), return_exceptions=True)
        gone = isinstance(result, NotFound)  # then there is nothing to keep
        if copy.running and (gone or result == "stopped"):
            self.stop()
        before, self.unsaved = self.unsaved, sentence(result, "saving") if isinstance(result, BaseException) and not gone else ""
        if self.unsaved != before:
            self.notify()
        if not self.unsaved:
            self._written = version


class Jobs:
    """The jobs of this process by turn id: those that run or wait, and ended ones whose last state could not be saved yet."""

    def __init__(self) -> None:
        self._live: dict[str, Job] = {}
        self._unsaved: dict[str, Job] = {}

    @property
    def busy(self) -> bool:
        return bool(self._live)

    def add(self, job: Job) -> None:
        self._live[job.turn.id] = job

    def ended(self, job: Job) -> None:
        """Forget it if it is saved, keep it in memory if not."""
        del self._live[job.turn.id]
        if job.unsaved:
            self._unsaved[job.turn.id] = job

    def get(self, turn_id: str) -> Job | None:
        return self._live.get(turn_id) or self._unsaved.get(turn_id)

    def of(self, owner: Owner, turn_id: str) -> Job | None:
        """The owner's job for a turn."""
        job = self.get(turn_id)
        return job if job and job.turn.owner == owner else None

    def running(self, owner: Owner, conversation_id: str | None = None) -> list[Job]:
        """The owner's jobs, of one conversation or of all, in the order they were begun."""
        own = [job for job in self._live.values() if job.turn.owner == owner and job.turn.running]
        return [job for job in own if conversation_id in (None, job.turn.conversation_id)]

    def all(self) -> dict[str, Job]:
        return self._unsaved | self._live

    async def save_unsaved(self) -> str:
        """Try again to write what could not be written. Returns why something still cannot, '' when all is saved."""
        for job in list(self._unsaved.values()):
            await job.save()
            if not job.unsaved:
                self._unsaved.pop(job.turn.id, None)
        return next((job.unsaved for job in self.all().values() if job.unsaved), "")


def sentence(error: BaseException, doing: str) -> str:
    """What a person reads about a failure; the traceback of anything but a ChatError goes to the log."""
    if isinstance(error, ChatError):
        return str(error)
    log.error("Failed while %s", doing, exc_info=error)
    return f"Something broke while {doing} ({type(error).__name__}). Try again; the server's log has the details."
