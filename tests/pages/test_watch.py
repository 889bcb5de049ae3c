"""Watching: a page gets what it lacks and nothing else, and the reply as it grows."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from chatapp.chat.service import Chat
from chatapp.pages.watch import Watcher
from chatapp.resident.manager import ModelManager
from chatapp.store import Store
from tests.chats import ME, YOU, beside, ended
from tests.conftest import Scripted


@pytest.fixture
async def chat(scripted, tmp_path: Path) -> AsyncGenerator[Chat]:
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(ModelManager.of(scripted), store)
    yield chat
    await chat.shutdown()
    store.close()


async def news(chat: Chat, owner: str = ME, **asked) -> list[dict]:
    return [line async for line in Watcher(chat, chat.models).watch(owner, asked)]


def merged(lines: list[dict]) -> dict:
    """Everything that was brought."""
    return {name: value for line in lines for name, value in line.items()}


async def test_a_page_that_has_everything_gets_nothing(chat: Chat) -> None:
    turn = await ended(chat, await chat.send(ME, "Hi"))
    first = merged(await news(chat, conversation=turn.conversation_id))
    assert first["path"]["order"] == [turn.id] and first["path"]["rows"][0]["text"] == "Hello world"
    have = dict(have=first["path"]["version"], model=first["model"]["sign"], list=first["list"]["sign"])
    assert await news(chat, conversation=turn.conversation_id, **have) == [{"done": True}]


async def test_what_another_window_did_is_brought_alone(chat: Chat) -> None:
    turn = await ended(chat, await chat.send(ME, "Hi"))
    first = merged(await news(chat, conversation=turn.conversation_id))
    have = dict(have=first["path"]["version"], model=first["model"]["sign"], list=first["list"]["sign"])
    other = await ended(chat, await chat.send(ME, "And", conversation_id=turn.conversation_id))
    assert merged(await news(chat, conversation=turn.conversation_id, **have))["path"]["order"] == [turn.id, other.id]
    chat.store.conversations.rename(ME, turn.conversation_id, "Renamed")
    assert merged(await news(chat, conversation=turn.conversation_id, **have))["path"]["title"] == "Renamed"


async def test_a_growing_reply_travels_block_by_block_and_its_end_once(chat: Chat, scripted) -> None:
    scripted.words, scripted.delay = ["# One\n\n", "two ", "three\n\n", "four"], 0.05
    turn = await chat.send(ME, "Hi")
    lines = await news(chat, conversation=turn.conversation_id)
    grown = [line["grown"]["blocks"] for line in lines if "grown" in line]
    assert [index for blocks in grown for index, _ in blocks if index == 0] == [0], "a closed block was sent again"
    *_, last, done = lines
    assert done == {"done": True} and last["path"]["running"] is None and last["path"]["rows"][0]["line"]["reason"] == "end"
    assert "four" in last["path"]["rows"][0]["blocks"][-1]


async def test_numbers_under_a_growing_reply_are_said_as_often_as_they_can_be_read(chat: Chat, scripted, monkeypatch) -> None:
    monkeypatch.setattr("chatapp.pages.watch.READABLE", 60.0)
    scripted.words, scripted.delay = ["one ", "two ", "three ", "four"], 0.05
    turn = await chat.send(ME, "Hi")
    lines = await news(chat, conversation=turn.conversation_id)
    said = [line["grown"]["line"] for line in lines if "grown" in line]
    assert len([line for line in said if line]) <= 3 and None in said
    *_, last, _ = lines
    assert "4 tokens" in last["path"]["rows"][0]["line"]["facts"]


async def test_rows_that_did_not_change_are_not_sent_again(chat: Chat, scripted) -> None:
    old = await ended(chat, await chat.send(ME, "Hi"))
    scripted.delay = 0.05
    new = await chat.send(ME, "And", conversation_id=old.conversation_id)
    paths = [line["path"] for line in await news(chat, conversation=old.conversation_id) if "path" in line]
    assert [[row["id"] for row in path["rows"]] for path in paths] == [[old.id, new.id], [new.id]]
    assert paths[-1]["order"] == [old.id, new.id]


async def test_a_stranger_gets_nothing_of_a_conversation(chat: Chat) -> None:
    turn = await ended(chat, await chat.send(ME, "Secret"))
    lines = await news(chat, YOU, conversation=turn.conversation_id)
    assert merged(lines)["path"]["missing"] is True and "Secret" not in str(lines)


async def test_a_list_is_as_long_as_asked_and_says_how_many_there_are(chat: Chat) -> None:
    for text in ("a", "b", "c"):
        await ended(chat, await chat.send(ME, text))
    watcher = Watcher(chat, chat.models)
    found = await watcher.list(ME, {"rows": 2})
    assert ([row["title"] for row in found["rows"]], found["total"]) == (["c", "b"], 3)
    assert (await watcher.list(ME, {"query": "a", "rows": 2}))["total"] == 1


async def test_a_reply_that_waits_says_its_place(chat: Chat, scripted) -> None:
    scripted.hold = asyncio.Event()
    await chat.send(ME, "First")
    waiting = await chat.send(YOU, "Second")
    lines = Watcher(chat, chat.models).watch(YOU, {"conversation": waiting.conversation_id})
    first = await anext(lines)
    assert first["path"]["rows"][0]["line"]["facts"] == ["Next in line"]
    scripted.hold.set()
    *_, last = [line async for line in lines]
    assert last == {"done": True}


async def test_a_page_is_told_which_model_answers_here_which_there_are_and_whose_an_old_chat_is(chat: Chat, scripted: Scripted) -> None:
    other = beside(chat.models, Scripted(scripted.tokenizer), "org/other")
    chosen = merged(await news(chat, pick="org/other"))["model"]
    assert (chosen["id"], [row["id"] for row in chosen["known"]], chosen["loads"]) == ("org/other", ["scripted", "org/other"], True)
    turn = await ended(chat, await chat.send(ME, "Hi", model="other"))
    asked = {"conversation": turn.conversation_id}
    first = merged(await news(chat, **asked))
    assert (first["path"]["answers"], first["path"]["own"], first["model"]["id"]) == ("org/other", "", "org/other")
    chat.models._slots.remove(other)
    gone = merged(await news(chat, have=first["path"]["version"], **asked))["path"]
    assert (gone["answers"], gone["own"]) == ("scripted", "org/other")
