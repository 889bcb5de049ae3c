"""Temporary chats: gone with "Delete everything of mine", bounded in number, bytes and age, and a sentence for who comes too late."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatapp.chat import Chat
from chatapp.errors import NotFound
from chatapp.store import Store
from chatapp.ui.sidebar import Sidebar
from tests.chats import ME, YOU, Residence, ended, until


@pytest.fixture
async def chat(scripted, tmp_path: Path) -> AsyncGenerator[Chat]:
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(Residence(scripted), store)
    yield chat
    await chat.shutdown()
    store.close()


async def test_delete_everything_erases_temporary_chats_too_and_stops_their_replies(chat: Chat, scripted) -> None:
    kept = await ended(chat, await chat.send(ME, "Kept"))
    mine = await ended(chat, await chat.send(ME, "Temporary", keep=False))
    yours = await ended(chat, await chat.send(YOU, "Somebody else's", keep=False))
    scripted.words, scripted.delay = ["x"] * 400, 0.005
    running = await chat.send(ME, "Temporary and running", keep=False)
    await until(lambda: len(running.reply_ids) > 3)
    await chat.meter.budget(ME, mine.conversation_id, "typing")
    assert await Sidebar(chat).do(ME, {"do": "erase"}) == {"erased": True}
    assert running.stop_reason == "stopped" and not chat.writing()
    for turn in (kept, mine, running):
        with pytest.raises(NotFound):
            await chat.path(ME, turn.conversation_id)
        with pytest.raises(NotFound):
            await chat.meter.budget(ME, turn.conversation_id, "typing")
    assert [turn.user for turn in await chat.path(YOU, yours.conversation_id)] == ["Somebody else's"]


async def test_an_export_of_everything_leaves_temporary_chats_out(chat: Chat) -> None:
    await ended(chat, await chat.send(ME, "Kept"))
    await ended(chat, await chat.send(ME, "Temporary", keep=False))
    done = await Sidebar(chat).do(ME, {"do": "export", "format": "json"})
    assert "Kept" in done["download"]["text"] and "Temporary" not in done["download"]["text"]
