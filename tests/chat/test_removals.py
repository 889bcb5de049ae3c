"""What was taken out of a conversation is put back as it was, on both databases and by whom it belongs to."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.removals import Removals
from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.resident.manager import ModelManager
from chatapp.store import Store
from chatapp.store.removal import put_back
from chatapp.turn import Turn
from tests.chats import ended
from tests.turns import ME, YOU, asked, turns_of


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
async def chat(scripted, tmp_path: Path) -> AsyncGenerator[Chat]:
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(ModelManager.of(scripted), store)
    yield chat
    await chat.shutdown()
    store.close()


def texts(path: list[Turn]) -> list[str]:
    return [turn.user for turn in path]


def test_what_was_deleted_of_a_conversation_is_put_back_as_it_was(store: Store) -> None:
    first = asked(store, "one", reply="1")
    second = asked(store, "two", first, reply="zebra")
    beside = asked(store, "two again", first, reply="2")
    third = asked(store, "three", second, reply="3")
    store.select(ME, third.id)
    before = store.conversations.whole(ME, "c1")
    for turn, keep in ((second, True), (second, False), (first, True), (first, False), (third, False), (beside, False)):
        gone = store.delete_turn(ME, turn.id, keep_children=keep)
        assert turn.id not in [one.id for one in store.conversations.whole(ME, "c1").turns]
        put_back(store.database, ME, gone)
        assert store.conversations.whole(ME, "c1") == before
        put_back(store.database, ME, gone)  # a second time changes nothing
        assert store.conversations.whole(ME, "c1") == before
    assert [found.id for found in store.conversations.listed(ME, "zebra")] == ["c1"]


def test_what_was_written_after_a_deletion_stays_when_it_is_undone(store: Store) -> None:
    first = asked(store, "one", reply="1")
    second = asked(store, "two", first, reply="2")
    gone = store.delete_turn(ME, second.id, keep_children=True)
    other = asked(store, "other", first, reply="3")
    put_back(store.database, ME, gone)
    assert texts(turns_of(store, ME, "c1")) == ["one", "two"]
    assert store.outline(ME, "c1", second.id).versions[second.id] == [second.id, other.id]
    gone = store.delete_turn(ME, second.id, keep_children=False)
    store.delete_turn(ME, first.id, keep_children=False)
    with pytest.raises(ChatError, match="deleted meanwhile"):
        put_back(store.database, ME, gone)
    with pytest.raises(NotFound):
        put_back(store.database, YOU, gone)
    store.conversations.delete(ME, "c1")
    with pytest.raises(NotFound):
        put_back(store.database, ME, gone)


@pytest.mark.parametrize("keep", [True, False])
async def test_an_exchange_that_was_deleted_can_be_put_back(chat: Chat, keep: bool) -> None:
    """A temporary chat's, too; not by somebody else, and not once everything was erased or the time is over."""
    turn = await ended(chat, await chat.send(ME, "one", keep=keep))
    await actions.remove(chat, ME, turn.id, keep_children=True)
    assert await chat.path(ME, turn.conversation_id) == []
    with pytest.raises(ChatError, match="no longer be undone"):
        await actions.restore(chat, YOU, turn.id)
    back = await actions.restore(chat, ME, turn.id)
    assert [one.id for one in await chat.path(ME, turn.conversation_id)] == [back.id] == [turn.id]
    await actions.remove(chat, ME, turn.id, keep_children=True)
    chat.removals.forget(ME)
    with pytest.raises(ChatError, match="no longer be undone"):
        await actions.restore(chat, ME, turn.id)


async def test_what_was_deleted_is_forgotten_after_a_while(chat: Chat) -> None:
    chat.removals = Removals(minutes=0)
    turn = await ended(chat, await chat.send(ME, "one"))
    await actions.remove(chat, ME, turn.id, keep_children=True)
    await asyncio.sleep(0.02)
    with pytest.raises(ChatError, match="no longer be undone"):
        await actions.restore(chat, ME, turn.id)
