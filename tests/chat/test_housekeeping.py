"""A server that stays up: deleted chats are erased when their 30 days are over, temporary ones after their hours."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from chatapp.chat.housekeeping import HOUR, keep_house
from chatapp.chat.service import Chat
from chatapp.errors import NotFound
from chatapp.store import Store, erase
from tests.chats import ME, Residence, ended, until
from tests.turns import asked

DAY = 86400.0


class HandClock:
    """A clock that a test moves: whoever sleeps wakes when its hands have passed."""

    def __init__(self, store_time: float) -> None:
        self.now = store_time
        self.waiting: list[tuple[float, asyncio.Event]] = []

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        passed = asyncio.Event()
        self.waiting.append((self.now + seconds, passed))
        await passed.wait()

    async def move(self, seconds: float) -> None:
        """Ahead, and until those who woke sleep again."""
        self.now += seconds
        due = [entry for entry in self.waiting if entry[0] <= self.now]
        self.waiting = [entry for entry in self.waiting if entry not in due]
        for _, passed in due:
            passed.set()
        await until(lambda: len(self.waiting) == 1)


@pytest.fixture
async def kept_house(scripted, store_url: str):
    """(chat, clock) of a server whose housekeeping runs."""
    store = Store(store_url, patience=0.2)
    chat = Chat(Residence(scripted), store)
    asked(store, "first", conversation="first")
    clock = HandClock(store.conversations.summary(ME, "first").updated)
    task = asyncio.create_task(keep_house(chat.stores, clock))
    await until(lambda: len(clock.waiting) == 1)
    yield chat, clock
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await chat.shutdown()
    store.close()


async def test_what_was_deleted_is_erased_when_its_days_are_over_without_a_restart(kept_house) -> None:
    chat, clock = kept_house
    asked(chat.store, "stays", conversation="stays")
    chat.store.conversations.delete(ME, "first")
    await clock.move(29 * DAY)
    chat.store.conversations.restore(ME, "first")
    chat.store.conversations.delete(ME, "first")
    await clock.move(2 * DAY)
    with pytest.raises(NotFound):
        chat.store.conversations.restore(ME, "first")
    assert chat.store.conversations.ids(ME) == ["stays"]


async def test_a_temporary_chat_that_was_left_alone_is_dropped(kept_house) -> None:
    chat, clock = kept_house
    turn = await ended(chat, await chat.send(ME, "Temporary", keep=False))
    await clock.move(23 * HOUR)
    assert await chat.path(ME, turn.conversation_id)
    await clock.move(2 * HOUR)
    with pytest.raises(NotFound):
        await chat.path(ME, turn.conversation_id)


async def test_a_locked_database_is_tried_again_an_hour_later(scripted, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "chat.db"
    chat = Chat(Residence(scripted), Store(f"sqlite:///{path}", patience=0.1))
    asked(chat.store, "first", conversation="first")
    clock = HandClock(chat.store.conversations.summary(ME, "first").updated)
    chat.store.conversations.delete(ME, "first")
    task = asyncio.create_task(keep_house(chat.stores, clock))
    await until(lambda: len(clock.waiting) == 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await clock.move(31 * DAY)
        assert "could not be erased" in caplog.text and "another program holds it" in caplog.text
        other.rollback()
    await clock.move(HOUR)
    with pytest.raises(NotFound):
        chat.store.conversations.restore(ME, "first")
    task.cancel()
    await chat.shutdown()
    chat.store.close()


async def test_the_event_loop_and_other_writers_go_on_while_much_is_erased(scripted, tmp_path: Path) -> None:
    chat = Chat(Residence(scripted), Store(f"sqlite:///{tmp_path}/chat.db"))
    for n in range(6 * erase.BATCH):
        asked(chat.store, f"words {n} " * 50, conversation=f"c{n}")
        chat.store.conversations.delete(ME, f"c{n}")
    asked(chat.store, "written meanwhile", conversation="stays")
    purging = asyncio.create_task(chat.stores.purge(chat.store.conversations.summary(ME, "stays").updated + 31 * DAY))
    await until(lambda: len(chat.store.conversations.ids(ME)) == 1 and _rows(tmp_path) < 6 * erase.BATCH)
    written = 0
    while not purging.done():
        await asyncio.to_thread(chat.store.conversations.rename, ME, "stays", f"title {written}")
        written += 1
    await purging
    assert written >= 3 and _rows(tmp_path) == 1
    await chat.shutdown()
    chat.store.close()


def _rows(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "chat.db")) as raw:
        return raw.execute("SELECT count(*) FROM conversations").fetchone()[0]
