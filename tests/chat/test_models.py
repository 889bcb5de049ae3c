"""Conversations with several models: who answers, what is remembered, and replies of two at the same moment."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.models.sources import EMBEDDED_ID, EMBEDDED_REPO
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.transfer import export, import_file
from tests.chats import ME, YOU, beside, ended, speak, until
from tests.conftest import Scripted


@pytest.fixture
async def chat(scripted: Scripted, tmp_path: Path) -> AsyncGenerator[Chat]:
    chat = Chat(ModelManager.of(scripted), Store(f"sqlite:///{tmp_path}/chat.db"))
    yield chat
    await chat.shutdown()


@pytest.fixture
def other(chat: Chat, tiny_llama: Path) -> ModelSlot:
    return beside(chat.models, Scripted(AutoTokenizer.from_pretrained(tiny_llama), words=["Other"]), "org/other")


async def test_two_models_answer_at_the_same_moment_and_each_keeps_its_own_queue(chat: Chat, other: ModelSlot, scripted: Scripted) -> None:
    scripted.hold, other.engine.hold = asyncio.Event(), asyncio.Event()
    one, two = await chat.send(ME, "Hi"), await chat.send(ME, "Hi", model="other")
    third = await chat.send(YOU, "Hi", model="org/other")
    await until(lambda: len(scripted.fed) == len(other.engine.fed) == 1)
    assert (chat.position(one.id), chat.position(two.id), chat.position(third.id)) == (None, None, 1)
    scripted.hold.set()
    other.engine.hold.set()
    replies = [(await ended(chat, turn)) for turn in (one, two, third)]
    assert [(turn.model, turn.reply) for turn in replies] == [("scripted", "Hello world"), ("org/other", "Other"), ("org/other", "Other")]


async def test_a_conversation_remembers_its_model_until_another_is_chosen(chat: Chat, other: ModelSlot) -> None:
    first = await ended(chat, await chat.send(ME, "Hi", model="other"))
    again = await ended(chat, await chat.send(ME, "And?", conversation_id=first.conversation_id))
    assert (first.model, again.model) == ("org/other", "org/other")
    version = chat.store.version(ME, first.conversation_id)
    chat.store.conversations.choose(ME, first.conversation_id, "scripted")
    assert chat.store.version(ME, first.conversation_id) != version
    assert (await ended(chat, await chat.send(ME, "Now?", conversation_id=first.conversation_id))).model == "scripted"


async def test_a_model_that_is_not_known_here_any_more_is_stood_in_for_by_the_first(chat: Chat, other: ModelSlot) -> None:
    turn = await ended(chat, await chat.send(ME, "Hi", model="other"))
    chat.models._slots.remove(other)
    assert (await ended(chat, await chat.send(ME, "And?", conversation_id=turn.conversation_id))).model == "scripted"
    assert chat.store.conversations.model(ME, turn.conversation_id) == "org/other", "it is remembered all the same"
    with pytest.raises(ChatError, match="There are: scripted"):
        await chat.send(ME, "Hi", model="other")


async def test_a_conversation_that_remembers_the_embedded_model_by_its_old_id_is_answered_by_it(chat: Chat, other: ModelSlot) -> None:
    """Its id was the repository's, which is now that of a copy from the Hub alone."""
    other.id = EMBEDDED_ID
    turn = await ended(chat, await chat.send(ME, "Hi"))
    chat.store.conversations.choose(ME, turn.conversation_id, EMBEDDED_REPO)
    again = await ended(chat, await chat.send(ME, "And?", conversation_id=turn.conversation_id))
    assert again.model == "org/other" and chat.models.find(EMBEDDED_REPO) is other
    fetched = beside(chat.models, Scripted(other.engine.tokenizer, words=["Fetched"]), EMBEDDED_REPO)
    chat.store.conversations.choose(ME, turn.conversation_id, EMBEDDED_REPO)
    third = await ended(chat, await chat.send(ME, "And?", conversation_id=turn.conversation_id))
    assert third.reply == "Fetched" and chat.models.find(EMBEDDED_REPO) is fetched and chat.models.find(EMBEDDED_ID) is other


async def test_a_message_to_another_model_waits_for_the_reply_before_it(chat: Chat, other: ModelSlot, scripted: Scripted) -> None:
    scripted.hold = asyncio.Event()
    turn = await chat.send(ME, "Hi")
    await until(lambda: scripted.fed)
    next_one = await chat.send(ME, "And?", conversation_id=turn.conversation_id, model="other")
    assert chat.position(next_one.id) == 1 and not other.engine.fed
    scripted.hold.set()
    assert "Hello world" in (await ended(chat, next_one)).prompt_text


async def test_another_model_writes_a_version_beside_the_first(chat: Chat, other: ModelSlot) -> None:
    first = await ended(chat, await chat.send(ME, "Hi"))
    second = await ended(chat, await actions.regenerate(chat, ME, first.id, model="other"))
    _, outline = await chat.outline(ME, first.conversation_id)
    assert (second.model, outline.versions[second.id]) == ("org/other", [first.id, second.id])
    third = await ended(chat, await actions.regenerate(chat, ME, second.id))
    assert third.model == "scripted", "the conversation's own"


async def test_a_cut_reply_is_continued_by_the_model_that_wrote_it(chat: Chat, other: ModelSlot) -> None:
    speak(other.engine, "One two three four")
    cut = await ended(chat, await chat.send(ME, "Count", model="other", sampling=Sampling(max_tokens=2)))
    chat.store.conversations.choose(ME, cut.conversation_id, "scripted")
    more = await ended(chat, await actions.resume(chat, ME, cut.id))
    assert more.model == "org/other" and other.engine.fed[-1] == (*cut.prompt_ids, *cut.reply_ids)
    grown = await ended(chat, await actions.branch(chat, ME, cut.id, 1, 5))
    assert grown.model == "org/other"


async def test_a_leaving_model_takes_no_more(chat: Chat, other: ModelSlot) -> None:
    other.engine.hold = asyncio.Event()
    turn = await chat.send(ME, "Hi", model="other")
    await until(lambda: other.engine.fed)
    other.leave()
    with pytest.raises(ChatError, match="org/other is being unloaded"):
        await chat.send(ME, "Hi", model="other")
    other.engine.hold.set()
    assert (await ended(chat, turn)).reply == "Other"
    await until(lambda: other.state == "unloaded")


async def test_a_conversation_s_model_is_exported_and_imported(chat: Chat, other: ModelSlot) -> None:
    turn = await ended(chat, await chat.send(ME, "Hi", model="other"))
    import_file(chat.store, YOU, "".join(export(chat.store, ME, "json", turn.conversation_id)).encode())
    (row,) = chat.store.conversations.listed(YOU)
    assert chat.store.conversations.model(YOU, row.id) == "org/other"
