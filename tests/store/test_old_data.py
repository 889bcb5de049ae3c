"""A data folder and the exports of an earlier version open: they list, show, continue, search, export and import as they did."""

import asyncio
import json
import shutil
import sqlite3
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from chatapp import transfer
from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.models.remembered import recall
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store, erase
from chatapp.turn import Message, Turn
from tests.chats import ended
from tests.fixtures.engine import REPLY, engine
from tests.fixtures.names import LOGIN, ME, OLD, PROGRAM

TITLES = {
    "What is a wombat?",
    "Tell me a story",
    "Stopped in the middle",
    "With a history",
    "This one fails",
    "From elsewhere",
    "Interrupted by the end of the process",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The old data folder, in which what was deleted was deleted yesterday."""
    found = Path(shutil.copytree(OLD / "data", tmp_path / "old"))
    with sqlite3.connect(found / "chat.db") as connection:
        connection.execute("UPDATE conversations SET deleted = ? WHERE deleted IS NOT NULL", [time.time() - 86400])
    connection.close()
    return found


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    store = Store.open(Settings(data_dir=folder))
    yield store
    store.close()


@pytest.fixture
async def chat(store: Store) -> AsyncGenerator[Chat]:
    chat = Chat(ModelManager.of(await asyncio.to_thread(engine)), store)
    yield chat
    await chat.shutdown()


def called(store: Store, title: str) -> str:
    """The id of the conversation with this title."""
    return next(row.id for row in store.conversations.listed(ME) if row.title == title)


def old_turns() -> dict[str, dict[str, object]]:
    """Each turn as the old version exported it."""
    return {turn["id"]: turn for c in json.loads((OLD / "export.json").read_text())["conversations"] for turn in c["turns"]}


def test_everything_is_in_the_list_but_what_was_deleted_or_kept_nowhere(chat: Chat, store: Store) -> None:
    rows = store.conversations.listed(ME)
    assert {row.title for row in rows if "many words" not in row.title} == TITLES
    assert rows[0].title == "What is a wombat?" and [row.pinned for row in rows] == [True] + [False] * 7
    assert store.conversations.count(ME) == 8
    assert [row.title for row in store.conversations.listed(LOGIN)] == ["Of a login"]
    assert [row.title for row in store.conversations.listed(PROGRAM)] == ["Of a key"]
    assert not any(row.running for row in rows), "what a dead process left is interrupted"


async def test_a_path_shows_every_field_as_it_was_written(chat: Chat, store: Store) -> None:
    _, outline = await chat.outline(ME, called(store, "What is a wombat?"))
    first, second = outline.turns
    assert (first.user, first.system, first.reply) == ("What is a wombat?", "Be brief.", REPLY)
    assert (first.sampling.seed, first.sampling.stop, first.sampling.top_k, first.seed) == (7, ("END",), 11, 7)
    assert second.user == "And <|im_start|>where? 什么" and second.parent_id == first.id
    assert (second.model, second.revision, second.engine, second.device) == ("scripted", "of-the-fixtures", "scripted", "cpu")
    assert [len(outline.versions[turn.id]) for turn in outline.turns] == [2, 2]


async def test_what_the_model_was_given_is_there_to_the_last_id(chat: Chat, store: Store) -> None:
    old = old_turns()
    for id, values in old.items():
        turn = await chat.turn(ME, id)
        assert list(turn.prompt_ids) == values["prompt_ids"] and turn.reply_ids == values["reply_ids"], turn.user
        assert (turn.prompt_text, turn.reply_text, turn.error) == (values["prompt_text"], values["reply_text"], values["error"])
        assert [vars(span) for span in turn.spans] == values["spans"] and turn.logprobs == values["logprobs"]
        assert vars(turn.timings) == values["timings"] and turn.versions == values["versions"]
    assert len(old) == 15


async def test_fields_that_had_other_names_have_their_values(chat: Chat, store: Store) -> None:
    async def last(title: str) -> Turn:
        return (await chat.outline(ME, called(store, title)))[1].turns[-1]

    assert (await last("What is a wombat?")).escaped_special_tokens == ("<|im_start|>",)
    assert (await last("With a history")).history == (Message("user", "Earlier question"), Message("assistant", "Earlier reply"))
    words = next(row.title for row in store.conversations.listed(ME) if "many words" in row.title)
    assert (await last(words)).dropped_messages > 0
    branch = await last("Tell me a story")
    assert (
        (branch.prefix_tokens, branch.cached_prompt_tokens) == (3, 3) and branch.prefix_text and branch.reply.startswith(branch.prefix_text)
    )
    reasons = {"Stopped in the middle": "stopped", "This one fails": "error", "Interrupted by the end of the process": "interrupted"}
    assert {title: (await last(title)).finish_reason for title in reasons} == reasons
    assert (await last("From elsewhere")).reply == "Imported reply"


@pytest.mark.parametrize("title", ["Stopped in the middle", "Interrupted by the end of the process"])
async def test_a_reply_that_was_cut_is_continued_from_its_very_ids(chat: Chat, store: Store, title: str) -> None:
    [shown] = await chat.path(ME, called(store, title))
    cut = await chat.turn(ME, shown.id)
    more = await ended(chat, await actions.resume(chat, ME, cut.id))
    assert chat.models.first.engine.fed[-1] == (*cut.prompt_ids, *cut.reply_ids)
    assert more.reply == cut.reply + REPLY and more.continues == cut.id


async def test_a_conversation_goes_on(chat: Chat, store: Store) -> None:
    for title in sorted(TITLES):
        path = await chat.path(ME, called(store, title))
        turn = await ended(chat, await chat.send(ME, "And now?", conversation_id=called(store, title)))
        assert (turn.parent_id, turn.reply, turn.error) == (path[-1].id, REPLY, "")
        assert [t.id for t in await chat.path(ME, turn.conversation_id)] == [*(t.id for t in path), turn.id]


@pytest.mark.parametrize(("query", "title"), [("什么", "What is a wombat?"), ("Imported", "From elsewhere"), ("history", "With a history")])
def test_words_are_found(store: Store, query: str, title: str) -> None:
    assert title in [row.title for row in store.conversations.listed(ME, query)]
    assert store.conversations.listed(LOGIN, query) == []


def test_what_was_deleted_can_be_brought_back(store: Store, folder: Path) -> None:
    with sqlite3.connect(folder / "chat.db") as connection:
        [(id,)] = connection.execute("SELECT id FROM conversations WHERE deleted IS NOT NULL").fetchall()
    connection.close()
    store.conversations.restore(ME, id)
    assert [row.title for row in store.conversations.listed(ME, "gone")] == ["Deleted but not gone"]


def test_an_old_export_and_the_old_folder_are_the_same_conversations(store: Store, tmp_path: Path) -> None:
    store.running.interrupt_dead()
    imported = Store(f"sqlite:///{tmp_path}/new.db")
    done = transfer.import_file(imported, ME, (OLD / "export.json").read_bytes())
    assert (len(done.ids), done.turns, done.known) == (8, 15, ())
    for kind in ("json", "markdown"):
        assert "".join(transfer.export(imported, ME, kind)) == "".join(transfer.export(store, ME, kind))
    for one in (imported, store):
        assert "".join(transfer.export(one, ME, "jsonl")) == (OLD / "export.jsonl").read_text()
    imported.close()


def test_an_old_export_of_what_is_here_brings_nothing(store: Store) -> None:
    done = transfer.import_file(store, ME, (OLD / "export.json").read_bytes())
    assert (done.ids, len(done.known)) == ((), 8)


def test_everything_can_be_erased(store: Store) -> None:
    assert erase.everything(store.database, ME) == 9
    assert store.conversations.listed(ME) == [] and store.conversations.count(LOGIN) == 1


def test_the_note_of_where_a_model_lay_is_read(folder: Path, tmp_path: Path) -> None:
    revision = "sha256:" + "ab" * 32
    assert recall(revision, folder) is None, "it is not there any more"
    (folder / "fingerprints" / ("ab" * 32)).write_text(str(tmp_path))
    assert recall(revision, folder) == tmp_path


def test_the_database_keeps_its_size_in_the_repository() -> None:
    assert (OLD / "data" / "chat.db").stat().st_size < 300_000
