"""No reply goes on unseen: one whose turn was deleted, by whoever, ends, frees its slot and lets the next message begin."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import NotFound
from chatapp.store import Store, erase
from chatapp.turn import Turn
from tests.chats import ME, YOU, Residence, ended, until


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/chat.db"


@pytest.fixture
async def chat(scripted, url: str) -> AsyncGenerator[Chat]:
    """A chat over the scripted engine; afterwards nothing of it may still run."""
    store = Store(url)
    chat = Chat(Residence(scripted), store)
    yield chat
    await chat.shutdown()
    store.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def written_at_the_end(chat: Chat, scripted) -> list[Turn]:
    """Two finished exchanges, a third being written for seconds, a fourth waiting behind it."""
    turns = [await ended(chat, await chat.send(ME, "One"))]
    turns.append(await ended(chat, await chat.send(ME, "Two", conversation_id=turns[0].conversation_id)))
    scripted.words, scripted.delay = ["word "] * 400, 0.01
    turns += [await chat.send(ME, text, conversation_id=turns[0].conversation_id) for text in ("Three", "Four")]
    await until(lambda: len(turns[2].reply_ids) > 3)
    return turns


async def free(chat: Chat, scripted, conversation_id: str) -> bool:
    """The engine rests, nothing waits, and the next message begins at once."""
    await until(lambda: (chat.models.first.queue.running, chat.models.first.queue.waiting) == (0, 0))
    steps = scripted.steps
    await asyncio.sleep(0.05)
    assert (scripted.steps, chat.running(ME, conversation_id)) == (steps, [])
    scripted.words = ["Hello"]
    return (await ended(chat, await chat.send(ME, "Next", conversation_id=conversation_id))).reply == "Hello"


async def test_removing_an_exchange_with_all_that_follows_stops_what_runs_and_waits_below_it(chat: Chat, scripted) -> None:
    one, two, three, four = await written_at_the_end(chat, scripted)
    await actions.remove(chat, ME, two.id, keep_children=False)
    assert (three.finish_reason, four.finish_reason) == ("stopped", "stopped")
    assert [turn.id for turn in await chat.path(ME, one.conversation_id)] == [one.id]
    assert await free(chat, scripted, one.conversation_id)
    assert len(scripted.fed) == 4, "the waiting one never began"


async def test_removing_one_exchange_lets_what_follows_it_go_on(chat: Chat, scripted) -> None:
    one, two, three, four = await written_at_the_end(chat, scripted)
    await actions.remove(chat, ME, two.id, keep_children=True)
    assert three.running and four.running
    await actions.remove(chat, ME, three.id, keep_children=True)
    assert three.finish_reason == "stopped" and four.running
    assert [turn.id for turn in await chat.path(ME, one.conversation_id)] == [one.id, four.id]


async def test_only_the_owner_removes(chat: Chat, scripted) -> None:
    one, *_, four = await written_at_the_end(chat, scripted)
    with pytest.raises(NotFound):
        await actions.remove(chat, YOU, one.id, keep_children=False)
    assert four.running and len(await chat.path(ME, one.conversation_id)) == 4


@pytest.mark.parametrize("temporary", [False, True])
async def test_a_temporary_exchange_is_removed_in_the_same_way(chat: Chat, scripted, temporary: bool) -> None:
    first = await ended(chat, await chat.send(ME, "One", keep=not temporary))
    scripted.hold = asyncio.Event()
    second = await chat.send(ME, "Two", conversation_id=first.conversation_id, keep=not temporary)
    await actions.remove(chat, ME, first.id, keep_children=False)
    assert second.finish_reason == "stopped" and await chat.path(ME, first.conversation_id) == []


async def test_a_reply_whose_turn_another_process_deleted_ends_itself(chat: Chat, scripted, url: str) -> None:
    one, two, three, four = await written_at_the_end(chat, scripted)
    other = Store(url)
    other.delete_turn(ME, two.id, keep_children=False)
    async with asyncio.timeout(2):
        await asyncio.gather(ended(chat, three), ended(chat, four))
    assert await free(chat, scripted, one.conversation_id)
    other.close()


async def test_so_does_one_that_has_nothing_new_to_save(chat: Chat, scripted, url: str) -> None:
    scripted.hold = asyncio.Event()
    reading, waiting = await chat.send(ME, "The model reads this"), await chat.send(YOU, "This waits")
    await until(lambda: not scripted.steps and bool(scripted.fed))
    other = Store(url)
    assert erase.everything(other.database, ME) == erase.everything(other.database, YOU) == 1
    async with asyncio.timeout(4):
        await until(lambda: (chat.models.first.queue.running, chat.models.first.queue.waiting) == (0, 0))
    assert (reading.finish_reason, waiting.running, scripted.closed) == ("stopped", False, len(scripted.fed))
    other.close()
