"""The chat over a real engine: what was cut and continued is what would have been said at once."""

from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.store import Store
from tests.chats import ME, ended


@pytest.fixture
async def chat(tiny_llama: Path, tmp_path: Path):
    models = ModelManager(Settings(model=str(tiny_llama), device="cpu", engine="direct", threads=1, data_dir=tmp_path))
    chat = Chat(models, Store(f"sqlite:///{tmp_path}/chat.db"))
    models.start()
    yield chat
    await chat.shutdown()
    models.close()


async def test_a_greedy_reply_cut_anywhere_and_continued_is_the_uncut_one(chat: Chat) -> None:
    whole = await ended(chat, await chat.send(ME, "Where?", sampling=Sampling(temperature=0, max_tokens=24)))
    assert len(whole.reply_ids) == 24, "the tiny model talks on"
    for cut in (1, 7, 13):
        start = await ended(chat, await actions.regenerate(chat, ME, whole.id, sampling=Sampling(temperature=0, max_tokens=cut)))
        more = await ended(chat, await actions.resume(chat, ME, start.id, sampling=Sampling(temperature=0, max_tokens=24 - cut)))
        assert start.reply_ids + more.reply_ids == whole.reply_ids
        assert more.reply == whole.reply


async def test_the_token_that_was_drawn_as_a_branch_gives_the_same_reply(chat: Chat) -> None:
    greedy = Sampling(temperature=0, max_tokens=20)
    whole = await ended(chat, await chat.send(ME, "Where?", sampling=greedy))
    same = await ended(
        chat, await actions.branch(chat, ME, whole.id, 5, whole.reply_ids[5], sampling=Sampling(temperature=0, max_tokens=14))
    )
    assert same.prompt_ids[-6:] == tuple(whole.reply_ids[:6]) and same.reply_ids == whole.reply_ids[6:]
    assert same.reply == whole.reply
