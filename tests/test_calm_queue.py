"""Gradio's queue looks for events less often while a reply is written, and still finds them."""

import asyncio

from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.ui import blocks
from tests.chats import ME, ended, until


async def test_the_queue_is_calm_while_a_reply_is_written(scripted, tmp_path) -> None:
    store = Store(f"sqlite:///{tmp_path}/chat.db")
    resident = Resident.of(scripted)
    chat = Chat(resident, store)
    queue = blocks.build(chat, resident, Settings(data_dir=tmp_path))._queue
    assert queue.sleep_when_free == blocks.LOOK_FOR_EVENTS
    scripted.hold = asyncio.Event()
    turn = await chat.send(ME, "Hi")
    assert queue.sleep_when_free == blocks.LOOK_WHILE_WRITING
    scripted.hold.set()
    await ended(chat, turn)
    await until(lambda: queue.sleep_when_free == blocks.LOOK_FOR_EVENTS)
    await chat.shutdown()
