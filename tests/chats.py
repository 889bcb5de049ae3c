"""Helpers of the chat tests: a resident whose state a test decides, and ways to wait for a reply."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from chatapp.chat.service import Chat
from chatapp.engines.text import Detokenizer
from chatapp.errors import ChatError
from chatapp.turn import Turn

if TYPE_CHECKING:
    from tests.conftest import Scripted

ME, YOU = "owner-me", "owner-you"


class Residence:
    """What chat.py sees of a ModelSlot: state, engine, wait_ready. A test moves it from 'loading' to 'ready' or 'failed'."""

    def __init__(self, engine, state: str = "ready") -> None:
        self.loaded = engine
        self.state = state
        self.error = ""
        self._settled = asyncio.Event()

    @property
    def engine(self):
        if self.state == "ready":
            return self.loaded
        raise ChatError(self.error or "The model is still loading.", status=503)

    async def wait_ready(self) -> None:
        await self._settled.wait()

    def become(self, state: str, error: str = "") -> None:
        self.state, self.error = state, error
        self._settled.set()


async def ended(chat: Chat, turn: Turn) -> Turn:
    """The turn in its final state, saved."""
    async with asyncio.timeout(20):
        return [seen async for seen in chat.follow(turn.owner, turn.id)][-1].snapshot()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that the running jobs bring about."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  it may be a row in the store, which tells nobody
            await asyncio.sleep(0.002)


def speak(engine: "Scripted", text: str) -> None:
    """Let the engine give this text as the tokens of its own vocabulary."""
    engine.ids = engine.tokenizer.encode(text)
    characters = Detokenizer(engine.tokenizer)
    engine.words = [characters.push(i) for i in engine.ids]
