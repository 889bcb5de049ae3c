"""A prompt that many replies begin with is read once: what a slot has read is kept in memory and put into the slot of each reply.

llama.cpp's server finds what an idle slot has read, and nothing of a busy one. It saves a slot into a file and restores another from it;
here that file is memory without a name, which ends with the process. Every reply then begins from the same bytes.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from chatapp.engines.llamacpp.client import Gone, call
from chatapp.engines.llamacpp.server import Address
from chatapp.errors import ChatError

LEAST = 64
"""Tokens of a prompt from which on it is copied: two requests more are as long as reading so many."""

PATIENCE = 10.0
"""Seconds for a copy, which takes hundredths; a slot that somebody took meanwhile would be waited for."""

Ids = tuple[int, ...]
Body = dict[str, Any]
Answers = AsyncGenerator[dict[str, Any]]
Ask = Callable[[Body], Answers]


@dataclass
class Copy:
    """Of one prompt, in the memory file `file`, while it has `holders`. `kept_by` is the server that wrote it, None before."""

    file: int
    holders: int = 0
    kept_by: Address | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sharing:
    """The copies. A prompt takes `token_bytes` for each token, all together take at most `most`.

    `files` are what the server must inherit; none where the system has no memory files: there each slot reads for itself.
    """

    def __init__(self, slots: int, token_bytes: int, most: int) -> None:
        self.files = [os.memfd_create("prompt") for _ in range(slots)] if hasattr(os, "memfd_create") and slots > 1 else []
        self._longest = most // slots // max(1, token_bytes)
        self._unused = list(self.files)
        self._copies: dict[Ids, Copy] = {}
        self._promised: set[int] = set()  # slots that the server believes idle, where a copy waits for its request
        self._used: set[int] = set()

    @contextmanager
    def of(self, ids: Sequence[int]) -> Iterator[None]:
        """While it is held, replies to this prompt share one reading, where it is long enough and there is room."""
        ids = tuple(ids)
        if ids not in self._copies and self._unused and LEAST <= len(ids) <= self._longest:
            self._copies[ids] = Copy(self._unused.pop())
        if (copy := self._copies.get(ids)) is None:
            yield
            return
        copy.holders += 1
        try:
            yield
        finally:
            copy.holders -= 1
            if not copy.holders:
                del self._copies[ids]
                if self.files:
                    os.ftruncate(copy.file, 0)
                self._unused.append(copy.file)

    async def answers(self, body: Body, alive: Callable[[], Awaitable[Address]], ask: Ask) -> Answers:
        """What the server answers to a request; of a shared prompt in a slot that has it, after the first one has read it for all."""
        copy, place = self._copies.get(tuple(body["prompt"])), Place()
        try:
            if copy is not None:
                async with copy.lock, aclosing(self._put(copy, place, body, await alive(), ask)) as reading:
                    async for progress in reading:
                        yield progress
            async with aclosing(ask(body | place.pinned)) as answers:
                async for answer in answers:
                    self._promised.discard(place.slot)  # from here on the server says that it is busy
                    yield answer
        finally:
            self._promised.discard(place.slot)

    def close(self) -> None:
        """Give the memory back."""
        while self.files:
            os.close(self.files.pop())

    async def _put(self, copy: Copy, place: "Place", body: Body, address: Address, ask: Ask) -> Answers:
        """The prompt into an idle slot, from the copy; or it is read there and copied, and what the server says meanwhile comes."""
        if (slot := await self._idle(address)) is None:
            return
        place.slot = slot
        self._promised.add(slot)
        self._used.add(slot)
        if copy.kept_by == address:
            await _done(address, slot, "restore", copy)
            return
        async with aclosing(ask(body | place.pinned | {"n_predict": 0})) as answers:
            async for answer in answers:
                if "prompt_progress" in answer or "error" in answer:
                    yield answer
        if await _done(address, slot, "save", copy):
            copy.kept_by = address

    async def _idle(self, address: Address) -> int | None:
        """A slot of nobody; rather one that was used so before, so that what others' slots have read stays."""
        try:
            slots = await call(address, "GET", "/slots")
        except (Gone, ChatError):
            return None
        idle = [slot["id"] for slot in slots if not slot["is_processing"] and slot["id"] not in self._promised]
        return min(idle, key=lambda slot: slot not in self._used, default=None)


@dataclass
class Place:
    """The slot in which a request is written, None where the server chooses."""

    slot: int | None = None

    @property
    def pinned(self) -> Body:
        """As the server is told."""
        return {} if self.slot is None else {"id_slot": self.slot}


async def _done(address: Address, slot: int, action: str, copy: Copy) -> bool:
    """Whether the server did it. Where it did not, the prompt is read as any other is."""
    try:
        async with asyncio.timeout(PATIENCE):
            await call(address, "POST", f"/slots/{slot}?action={action}", {"filename": str(copy.file)})
    except (TimeoutError, Gone, ChatError):
        return False
    return True
