"""A database of any earlier schema opens, keeps its chats, and ends at the schema the code expects."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from chatapp.sampling import STEP_PARAMS, Sampling
from chatapp.store import Store, StoreError, schema
from chatapp.store import migrate as migration
from chatapp.store.database import Database
from chatapp.turn import Message, Span, Timings, Turn
from tests.turns import drafts_of, turns_of

OLD = Turn(
    "me", "c1", "What is a wombat? 什么\0", id="t1", system="Be brief.", history=(Message("user", "hi"),), created=5.5,
    sampling=Sampling(seed=7, stop=("x",)), prompt_text="<s>", prompt_ids=(1, 49151), spans=(Span(0, 3, "template", None, None),),
    dropped_messages=2, escaped_special_tokens=("<s>",), date="2026-01-02", prefix_tokens=1, prefix_text="A ",
    reply_text="marsupial", reply_ids=[5, 6], logprobs=[-0.5, None], finish_reason="end", cached_prompt_tokens=1,
    timings=Timings(1.0, 2.0, None, 3.5), model="m", revision="r", engine="e", device="cpu", dtype="float32", versions={"torch": "2"},
)  # fmt: skip

FIRST_TURN = {
    "id": "t1", "conversation_id": "c1", "parent_id": None, "stop_reason": "end", "runner": "", "created": 5.5,
    "user": "What is a wombat? 什么\ufdd00000", "system": "Be brief.", "given": '[["user","hi"]]', "dropped": 2, "guarded": '["<s>"]',
    "sampling": '{"temperature":0.7,"top_p":0.95,"top_k":50,"max_tokens":512,"min_p":0.0,"repetition_penalty":1.0,"seed":7,"stop":["x"]}',
    "date": "2026-01-02", "prefilled": 1, "prefill_text": "A ", "continues": None, "error": "", "reused": 1,
    "timings": '{"started":1.0,"queued":2.0,"first_token":null,"generating":3.5}', "model": "m", "revision": "r", "engine": "e",
    "device": "cpu", "dtype": "float32", "versions": '{"torch":"2"}', "reply_text": "marsupial",
    "reply_ids": bytes([5, 0, 0, 0, 6, 0, 0, 0]), "logprobs": bytes.fromhex("000000bf0000c07f"),
}  # fmt: skip
FIRST_PROMPT = {
    "turn_id": "t1",
    "prompt_text": "<s>",
    "prompt_ids": bytes([1, 0, 0, 0, 255, 191, 0, 0]),
    "spans": '[[0,3,"template",null,null]]',
}
"""Rows of schema 0001 as its program wrote them, byte for byte. Never change these: they are what people have on their disks."""


@pytest.fixture
def first_schema(store_url: str) -> Iterator[str]:
    """A database that has stayed at the first schema, with a chat in it."""
    database = Database(store_url)
    migration.migrate(database, "0001")
    with database.write() as connection:
        head = {"id": "c1", "owner": "me", "title": "Wombats", "created": 1.0, "updated": 2.0, "pinned": True, "leaf": "t1"}
        insert(connection, "conversations", head)
        seq = connection.execute(sa.text("SELECT seq FROM conversations")).scalar()
        insert(connection, "turns", FIRST_TURN | {"seq": seq * 2**20 + 1})
        insert(connection, "prompts", FIRST_PROMPT)
        insert(connection, "drafts", {"owner": "me", "key": "new", "text": "unsent", "updated": 3.0})
    database.close()
    yield store_url


def insert(connection: sa.Connection, table: str, row: dict[str, object]) -> None:
    names = ", ".join(f'"{name}"' for name in row)
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + name for name in row)})"), row)


def test_chats_of_the_first_schema_are_all_there_and_become_searchable(first_schema: str) -> None:
    store = Store(first_schema)
    assert turns_of(store, "me", "c1") == [OLD]
    assert drafts_of(store, "me") == ["unsent"]
    (found,) = store.conversations.listed("me")
    assert (found.title, found.created, found.updated, found.pinned) == ("Wombats", 1.0, 2.0, True)
    for query in ("marsupial", "什么", "wombats"):
        assert [s.id for s in store.conversations.listed("me", query)] == ["c1"], query
    store.close()


def test_the_rows_written_today_read_like_those_of_the_first_schema(first_schema: str) -> None:
    """What this program writes differs from the frozen rows only where a migration says so, and by sampling settings that came later."""
    store = Store(first_schema)
    store.begin(Turn(**{**vars(OLD), "id": "t2", "parent_id": "t1"}))
    with store.database.read() as connection:
        old, new = connection.execute(sa.text("SELECT * FROM turns ORDER BY seq")).mappings().all()
    settings = json.loads(old["sampling"])
    later = {param.name: param.off for param in STEP_PARAMS if param.name not in settings}
    assert json.loads(new["sampling"]) == settings | later
    differing = {name for name in old if old[name] != new[name]} - {"sampling"}
    assert differing == {"seq", "id", "parent_id", "runner"}
    store.close()


def test_the_migrations_make_the_schema_that_the_code_uses(store_url: str) -> None:
    store = Store(store_url)
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": lambda name, kind, parents: not searching(name)})
        assert compare_metadata(context, schema.metadata) == []
    store.close()


def searching(name: str | None) -> bool:
    return (name or "").startswith("search")


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(migration.FOLDER)).get_current_head() == schema.HEAD


def test_a_database_of_a_newer_program_is_left_alone(store_url: str) -> None:
    store = Store(store_url)
    with store.database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    store.close()
    with pytest.raises(StoreError, match=f"schema 0999; this one knows up to {schema.HEAD}.*Nothing was changed") as caught:
        Store(store_url)
    assert caught.value.kind == "newer"


def test_a_failed_migration_changes_nothing(first_schema: str) -> None:
    database = Database(first_schema)
    with database.write() as connection:
        connection.execute(sa.text("CREATE TABLE search (rowid_ INTEGER)"))  # 0002 will stumble over it
    with pytest.raises(sa.exc.DBAPIError):
        migration.migrate(database)
    with database.read() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        assert connection.execute(sa.text("SELECT count(*) FROM turns")).scalar() == 1
    database.close()


OPEN = """
import sys
from chatapp.store import Store
from chatapp.turn import Turn
store = Store(sys.argv[1])
store.begin(Turn("me", "c", "q"))
store.close()
"""
ROOT = Path(__file__).parents[2]


def test_processes_that_start_together_do_not_collide(store_url: str) -> None:
    command = [sys.executable, "-c", OPEN, store_url]
    started = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.communicate(timeout=120)[1], process.returncode) for process in started] == [(b"", 0)] * 4
    store = Store(store_url)
    assert len(store.conversations.whole("me", "c").turns) == 4
    store.close()


def test_a_current_database_opens_without_loading_alembic(store_url: str) -> None:
    Store(store_url).close()
    code = OPEN + "assert not [m for m in sys.modules if m.startswith('alembic')]"
    subprocess.run([sys.executable, "-c", code, store_url], cwd=ROOT, check=True, timeout=60)
