"""Temporary chats: gone with "Delete everything of mine", bounded in number, bytes and age, and a sentence for who comes too late."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.pages.actions import ListActions
from chatapp.server.files import exported
from chatapp.store import Store
from chatapp.store.temporary import TemporaryStore, used
from chatapp.turn import Turn
from chatapp.xray.service import XrayService
from tests.chats import ME, YOU, Residence, ended, until
from tests.turns import turns_of
from tests.xrays import last


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
    erased: list[str] = []

    async def elsewhere(owner: Owner) -> None:
        erased.append(owner)

    assert await ListActions(chat, elsewhere).do(ME, {"do": "erase"}) == {} and erased == [ME]
    assert running.finish_reason == "stopped" and not chat.jobs.busy
    for turn in (kept, mine, running):
        with pytest.raises(NotFound):
            await chat.path(ME, turn.conversation_id)
        with pytest.raises(NotFound):
            await chat.meter.budget(ME, turn.conversation_id, "typing")
    assert [turn.user for turn in await chat.path(YOU, yours.conversation_id)] == ["Somebody else's"]


async def test_an_export_of_everything_leaves_temporary_chats_out(chat: Chat) -> None:
    await ended(chat, await chat.send(ME, "Kept"))
    await ended(chat, await chat.send(ME, "Temporary", keep=False))
    _, pieces = exported(chat.store, ME, None, "json")
    assert "Kept" in (text := "".join(pieces)) and "Temporary" not in text


def filled(store: TemporaryStore, name: str, *, text: str = "Hi", ends: bool = True) -> None:
    """One conversation of one turn."""
    turn = Turn(ME, name, text, prompt_text=text)
    store.begin(turn)
    if ends:
        turn.finish_reason = "end"
        store.finish(turn)


def size(store: TemporaryStore) -> int:
    with store.database.read() as connection:
        return used(connection)


def test_the_oldest_chats_go_when_there_are_too_many_but_never_one_that_is_written() -> None:
    store = TemporaryStore(chats=3)
    filled(store, "running", ends=False)
    for n in range(5):
        filled(store, f"c{n}")
    assert store.conversations.ids(ME) == ["running", "c3", "c4"]


def test_the_oldest_chats_go_when_they_take_too_many_bytes_and_the_memory_comes_back() -> None:
    store = TemporaryStore(size=2**21)
    for n in range(60):
        filled(store, f"c{n}", text=" ".join(f"{n}x{i}" for i in range(10_000)))
        assert size(store) < 2**21 + 2**19
    left = store.conversations.ids(ME)
    assert left == [f"c{n}" for n in range(60 - len(left), 60)] and len(left) >= 3
    with store.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA page_count").scalar() * 4096 < 2**22


def test_a_chat_that_was_left_alone_goes_with_the_hours() -> None:
    store = TemporaryStore(hours=24)
    filled(store, "old")
    now = store.conversations.summary(ME, "old").updated
    assert store.prune(now + 23 * 3600) == 0 and store.conversations.ids(ME) == ["old"]
    assert store.prune(now + 25 * 3600) == 1 and store.conversations.ids(ME) == []


async def test_who_asks_for_a_temporary_chat_that_has_gone_reads_why(chat: Chat) -> None:
    turn = await ended(chat, await chat.send(ME, "Temporary", keep=False))
    kept = await ended(chat, await chat.send(ME, "Kept"))
    stores = chat.stores
    with pytest.raises(NotFound):
        async with stores.explained(ME, turn.conversation_id):
            await chat.turn(ME, "a message that was removed")
    await stores.forget(ME, turn.conversation_id)
    with pytest.raises(ChatError, match=r"not in the server's memory any more.*24 hours.*500.*Begin a new one"):
        async with stores.explained(ME, turn.conversation_id):
            await chat.send(ME, "More", conversation_id=turn.conversation_id, keep=False)
    xray = XrayService(chat, chat.models)
    with pytest.raises(NotFound, match=r"^The message was not found\.$"):
        await last(xray.look(ME, "prompt", turn.id, {}))
    with pytest.raises(ChatError, match="not in the server's memory any more"):
        await last(xray.look(ME, "prompt", turn.id, {}, temporary=turn.conversation_id))
    await stores.forget(ME, kept.conversation_id)
    assert turns_of(chat.store, ME, kept.conversation_id) == [kept]
