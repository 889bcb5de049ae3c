"""Helpers of the chat tests: a model whose state a test decides, and ways to wait for a reply."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from chatapp.chat.service import Chat
from chatapp.engines.text import Detokenizer
from chatapp.resident.admission import Limits
from chatapp.resident.manager import NO_LIMITS, ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.settings import Settings
from chatapp.turn import Turn

if TYPE_CHECKING:
    from tests.conftest import Scripted

ME, YOU = "owner-me", "owner-you"


class Residence(ModelManager):
    """One model with this engine, which a test moves from 'loading' to 'ready' or 'failed'."""

    def __init__(self, engine, state: str = "ready", limits: Limits = NO_LIMITS) -> None:
        super().__init__(Settings(), limits=limits)
        self._slots[:] = [ModelSlot(self.settings, self.house, "scripted", engine)]
        if state != "ready":
            self.first.state, self.first._settled = state, Future()
            self.first._task = self.tasks.begin("", "load", "Load scripted")

    def become(self, state: str, error: str = "") -> None:
        self.first.state, self.first.error = state, error
        self.first._settled.set_result(None)


def beside(models: ModelManager, engine: "Scripted", name: str) -> ModelSlot:
    """One more model in memory, which writes by this engine under this name."""
    engine.info = replace(engine.info, model=name, revision=f"commit of {name}")
    models._slots.append(ModelSlot(Settings(model=name), models.house, name, engine))
    return models._slots[-1]


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
