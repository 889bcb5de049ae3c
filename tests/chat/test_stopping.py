"""Ctrl+C and SIGTERM: chats are saved, it is said, and the process ends within seconds, whatever else it does."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest

from chatapp.chat.service import Chat
from chatapp.lab.kept import Runs
from chatapp.pages.start import Loop, save_chats
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.tasks import ending
from tests.chats import ME, Residence, until
from tests.lab.runs import grid
from tests.serving import free_port
from tests.turns import turns_of

ROOT = Path(__file__).parents[2]
KEY = "a-key-of-ours"


@contextmanager
def running_app(model: Path, data: Path) -> Iterator[tuple[subprocess.Popen, str]]:
    """(process, address) as soon as its model is there."""
    port = free_port()
    flags = ["--model", str(model), "--engine", "direct", "--data-dir", str(data), "--port", str(port), "--device", "cpu"]
    command = [sys.executable, "-m", "tests.stopping", *flags]
    environment = os.environ | {"CHATAPP_API_KEY": KEY}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            while not (line := process.stdout.readline()).startswith("  Memory"):
                assert line, process.stderr.read()
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_in_the_middle_of_a_reply_saves_it_and_ends_the_process_at_once(number: int, tiny_llama: Path, tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True, "max_tokens": 1900, "temperature": 0}
    headers = {"authorization": f"Bearer {KEY}"}
    with running_app(tiny_llama, tmp_path) as (process, url):
        with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers, timeout=30) as answer:
            lines = answer.iter_lines()  # held: its end would be a hang-up
            next(line for line in lines if line and delta(line).get("content"))
            process.send_signal(number)
            began = time.monotonic()
            told = process.stdout.read()
        code, took = process.wait(timeout=20), time.monotonic() - began
    said = [line for line in told.splitlines() if not line.startswith("  ")]  # the start-up card's last line comes when the model stands
    assert (code, said) == (0, ["Saving chats …", "Saved."]) and took < 3
    store = Store.open(Settings(data_dir=tmp_path))
    [owner] = owners(store)
    [chat] = store.conversations.listed(owner)
    [turn] = turns_of(store, owner, chat.id)
    assert turn.finish_reason == "interrupted" and turn.reply_ids and turn.can_continue
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="the C library is found by another name")
def test_the_process_ends_also_where_nothing_in_it_can_run() -> None:
    """A call into C that keeps Python's lock, as the import of a large library does."""
    code = "import ctypes, chatapp.signals as signals; signals.end_within(0.1, 0); ctypes.PyDLL(None).sleep(30)"
    began = time.monotonic()
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).stderr == b""
    assert time.monotonic() - began < 10


async def test_what_cannot_be_saved_in_time_is_said(scripted, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Here the server's loop is busy with something that never ends."""
    chat, loop = Chat(Residence(scripted), Store(f"sqlite:///{tmp_path}/chat.db")), Loop(partial(asyncio.sleep, 0))
    loop.running = asyncio.get_running_loop()
    assert not save_chats(chat, Runs(tmp_path, chat.models), loop, 0.1)
    assert "Not all replies could be saved in 0.1 seconds" in capsys.readouterr().err
    await chat.shutdown()
    chat.store.close()


async def test_a_comparison_stops_and_is_taken_up_again(scripted, tmp_path: Path) -> None:
    """One reply is being written and another waits for its place: neither stands there as failed afterwards."""
    chat, loop = Chat(Residence(scripted), Store("sqlite://")), Loop()
    runs, loop.running, scripted.hold = Runs(tmp_path, chat.models), asyncio.get_running_loop(), asyncio.Event()
    id = runs.begin(ME, grid("{prompts: [One, Two], columns: [{name: a}, {name: b}]}"), title="", may_load=False)
    await until(lambda: bool(runs.running(ME, id).live))
    assert await asyncio.to_thread(save_chats, chat, runs, loop)
    [task] = chat.models.tasks.of(ME)
    assert (runs.running(ME, id), runs.read(ME, id)[1], task.state, chat.models.busy) == (None, [], "cancelled", False)
    scripted.hold.set()
    Runs(tmp_path, chat.models).go_on(ME, id, may_load=False)
    await until(lambda: runs.listed(ME)[0].replies == 4)


async def test_what_writes_a_folder_is_asked_to_end(scripted, tmp_path: Path) -> None:
    chat, loop = Chat(Residence(scripted), Store("sqlite://")), Loop()
    loop.running, task = asyncio.get_running_loop(), chat.models.tasks.begin(ME, "classify", "Train")

    def work() -> None:
        with ending(task):
            while True:
                task.tell("Step")

    threading.Thread(target=work, daemon=True).start()
    assert await asyncio.to_thread(save_chats, chat, Runs(tmp_path, chat.models), loop)
    assert task.state == "cancelled"


def delta(line: str) -> dict[str, str]:
    return json.loads(line.removeprefix("data: "))["choices"][0]["delta"]


def owners(store: Store) -> list[str]:
    with store.database.read() as connection:
        return list(connection.exec_driver_sql("SELECT DISTINCT owner FROM conversations").scalars())
