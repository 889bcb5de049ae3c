"""Replays wait in the one queue of the model: never more at once than the engine has places, in words, and gone with their viewer."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.turn import Event, Turn
from chatapp.xray.service import XrayService
from tests.chats import ME, YOU, ended, until
from tests.conftest import Scripted
from tests.xrays import lines


class Counting(Scripted):
    """Remembers how many generations it had at once, at most."""

    now = most = 0

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            async with aclosing(super().generate(prompt_ids, sampling)) as events:
                async for event in events:
                    yield event
        finally:
            self.now -= 1


@pytest.fixture
def engine(scripted: Scripted) -> Counting:
    return Counting(scripted.tokenizer)


@pytest.fixture
async def chat(engine: Counting) -> AsyncGenerator[Chat]:
    chat = Chat(ModelManager.of(engine), Store("sqlite://"))
    yield chat
    assert (chat.models.first.queue.running, chat.models.first.queue.waiting, engine.now) == (0, 0, 0)
    await chat.shutdown()


@pytest.fixture
async def service(chat: Chat) -> AsyncGenerator[XrayService]:
    service = XrayService(chat, chat.models)
    yield service
    service.inspector.close()


async def seen(service: XrayService, turn: Turn, into: list[dict]) -> None:
    async with aclosing(lines(service, turn.owner, "replay", turn.id)) as answers:
        async for answer in answers:
            into.append(answer)


async def told(chat: Chat, owner: str) -> Turn:
    return await ended(chat, await chat.send(owner, "Hi", sampling=Sampling(temperature=0)))


async def test_replays_and_messages_share_the_engines_places(chat: Chat, service: XrayService, engine: Counting) -> None:
    mine, yours = await told(chat, ME), await told(chat, YOU)
    engine.delay = 0.02
    seens: list[list[dict]] = [[] for _ in range(6)]
    watching = [asyncio.create_task(seen(service, turn, into)) for turn, into in zip([mine, yours] * 3, seens, strict=True)]
    message = await chat.send(ME, "And a message")
    assert (await ended(chat, message)).reply == "Hello world"
    await asyncio.gather(*watching)
    assert engine.most == 1
    assert any(answer.get("words") == "The model writes the reply again" for answer in seens[-1]), "it no longer says that it waits"
    assert all(into[-1] == {"done": True} and into[-2]["data"]["replay"]["tokens"] == 3 for into in seens)


async def test_a_viewer_reads_how_many_are_ahead_and_leaves_the_queue_by_going(chat: Chat, service: XrayService, engine: Counting) -> None:
    turn, engine.hold = await told(chat, ME), asyncio.Event()
    running, waiting = await chat.send(YOU, "One"), await chat.send("owner-third", "Two")
    said: list[dict] = []
    watching = asyncio.create_task(seen(service, turn, said))
    await until(lambda: bool(said))
    assert (
        said[0]["words"] in ("Waiting for the model: 1 ahead", "Waiting for the model: next in line")
        and chat.models.first.queue.waiting == 2
    )
    await chat.stop("owner-third", waiting.id)
    await until(lambda: said[-1]["words"] == "Waiting for the model: next in line")
    watching.cancel()
    await asyncio.wait({watching})
    assert chat.models.first.queue.waiting == 0
    engine.hold.set()
    assert (await ended(chat, running)).finish_reason == "end" and len(engine.fed) == 2


async def test_a_viewer_who_goes_in_the_middle_frees_the_model(chat: Chat, service: XrayService, engine: Counting) -> None:
    turn, engine.hold, said = await told(chat, ME), asyncio.Event(), []
    watching = asyncio.create_task(seen(service, turn, said))
    await until(lambda: engine.now == 1)
    message = await chat.send(ME, "Another tab's message")
    assert chat.position(message.id) == 1
    watching.cancel()
    await asyncio.wait({watching})
    engine.hold.set()
    assert (await ended(chat, message)).finish_reason == "end" and engine.most == 1


async def test_what_cannot_be_replayed_is_refused_without_waiting(chat: Chat, service: XrayService, engine: Counting) -> None:
    turn = await told(chat, ME)
    engine.hold, said = asyncio.Event(), []
    running = await chat.send(YOU, "One")
    engine.info = replace(engine.info, model="another", revision="sha256:0123456789abcdef")
    await seen(service, turn, said)
    assert (
        said[-1]["error"]["message"].startswith("This reply was made by scripted; another is loaded.")
        and chat.models.first.queue.waiting == 0
    )
    engine.hold.set()
    await ended(chat, running)
