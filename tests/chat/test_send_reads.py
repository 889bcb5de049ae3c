"""What a send reads of the store: the words of the path once, and neither prompts nor token ids of earlier turns."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from chatapp.bench import store as bench
from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.store import Store
from tests.chats import ME, ended, until


@pytest.mark.parametrize("waits", [False, True])
async def test_a_send_reads_the_words_of_the_path_once_and_nothing_else(scripted, tmp_path: Path, waits: bool) -> None:
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    chat = Chat(ModelManager.of(scripted), store)
    first = await ended(chat, await chat.send(ME, "One"))
    if waits:
        scripted.delay = 0.1
        await chat.send(ME, "Two", conversation_id=first.conversation_id)
    read: list[str] = []
    sa.event.listen(store.database.engine, "before_cursor_execute", lambda c, cursor, statement, *more: read.append(statement))
    turn = await chat.send(ME, "Three", conversation_id=first.conversation_id)
    await until(lambda: len(scripted.fed) == 2 + waits)
    asked = [statement for statement in read if statement.startswith("SELECT")]
    assert turn.prompt_ids == scripted.fed[-1]
    assert len([statement for statement in asked if "turns.reply_text" in statement]) == 1, "the path"
    assert [statement for statement in asked if "prompts." in statement or "turns.reply_ids" in statement] == []
    await chat.shutdown()
    store.close()


def test_the_benchmark_of_the_store_has_a_row_for_a_send(scripted, tmp_path: Path) -> None:
    result = bench.run(f"sqlite:///{tmp_path}/chat.db", scripted.tokenizer, conversations=4, turns=2, repeats=2)
    assert set(result["ms"]["send"]) == {"p50", "p95"} and result["ms"]["prompt"]["p50"] > 0
