"""Two processes on one store: what one writes, the other follows without haste, stops, and ends when the first was killed."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.chat.watching import LOOK_EVERY
from chatapp.errors import NotFound
from chatapp.pages.watch import Watcher
from chatapp.resident.manager import ModelManager
from chatapp.store import Store, erase
from chatapp.turn import Turn
from tests.chats import ME, YOU, ended
from tests.killed import writing
from tests.turns import asked


@pytest.fixture
async def chat(scripted, store_url: str) -> AsyncGenerator[Chat]:
    """This process, opened before the other one."""
    chat = Chat(ModelManager.of(scripted), Store(store_url))
    yield chat
    await chat.shutdown()
    chat.store.close()


async def seen(chat: Chat, turn_id: str, seconds: float) -> list[Turn]:
    """What a viewer sees in that time."""
    views: list[Turn] = []

    async def watch() -> None:
        async for turn in chat.follow(ME, turn_id):
            views.append(turn)

    watching = asyncio.create_task(watch())
    await asyncio.wait({watching}, timeout=seconds)
    watching.cancel()
    return views


async def test_a_viewer_sees_the_reply_grow_without_haste(chat: Chat, store_url: str, tiny_llama: Path) -> None:
    with writing(store_url, tiny_llama) as writer:
        views = await seen(chat, writer.turn_id, 3.0)
        counts = [len(turn.reply_ids) for turn in views]
        assert 3 <= len(views) <= 3.0 / LOOK_EVERY + 1
        assert counts == sorted(set(counts)), "a view only when there is more"
        assert all(turn.running for turn in views)
        with pytest.raises(NotFound):
            await anext(chat.follow(YOU, writer.turn_id))


async def test_the_page_shows_it_without_haste_and_with_its_end(chat: Chat, store_url: str) -> None:
    other, watcher = Store(store_url), Watcher(chat, chat.models)
    turn = asked(other, "Written there", reply=None)
    news: list[dict] = []

    async def watch() -> None:
        news.extend([line async for line in watcher.watch(ME, {"conversation": turn.conversation_id})])

    watching = asyncio.create_task(watch())
    await asyncio.sleep(1.5)
    assert not watching.done()
    other.finish(replace(turn, reply_text="Done", finish_reason="end"))
    await asyncio.wait_for(watching, 2)
    last = [line["path"] for line in news if "path" in line][-1]
    assert len(news) <= 10 and last["rows"][-1]["text"] == "Done" and last["running"] is None and news[-1] == {"done": True}
    other.close()


async def test_stop_reaches_the_writer_and_keeps_what_it_had(chat: Chat, store_url: str, tiny_llama: Path) -> None:
    with writing(store_url, tiny_llama) as writer:
        shown = (await seen(chat, writer.turn_id, 1.0))[-1]
        await chat.stop(ME, writer.turn_id)
        turn = await chat.turn(ME, writer.turn_id)
        assert turn.finish_reason == "stopped" and len(turn.reply_ids) > len(shown.reply_ids)
        assert await writer.gone() == 0
        assert await chat.turn(ME, writer.turn_id) == turn, "those were its last words"


async def test_deleting_the_conversation_here_ends_the_reply_there(chat: Chat, store_url: str, tiny_llama: Path) -> None:
    with writing(store_url, tiny_llama) as writer:
        await chat.stop_all(ME, writer.conversation_id)
        chat.store.conversations.delete(ME, writer.conversation_id)
        assert await writer.gone() == 0


async def test_erasing_everything_here_ends_the_reply_there(chat: Chat, store_url: str, tiny_llama: Path) -> None:
    with writing(store_url, tiny_llama) as writer:
        watching = asyncio.create_task(seen(chat, writer.turn_id, 10.0))
        await asyncio.sleep(0.2)
        assert erase.everything(chat.store.database, ME) == 1
        assert await writer.gone() == 0
        assert all(turn.running for turn in await asyncio.wait_for(watching, 2)), "the viewer's stream ended without a failure"


async def test_whoever_watches_a_killed_process_sees_its_reply_interrupted(chat: Chat, store_url: str, tiny_llama: Path) -> None:
    with writing(store_url, tiny_llama) as writer:
        watching = asyncio.create_task(ended(chat, await chat.turn(ME, writer.turn_id)))
        await asyncio.sleep(1.0)
        writer.process.kill()
        turn = await asyncio.wait_for(watching, 3)
        assert turn.finish_reason == "interrupted" and turn.can_continue and turn.reply_ids
        more = await ended(chat, await actions.resume(chat, ME, turn.id))
        assert more.reply == turn.reply + "Hello world"
