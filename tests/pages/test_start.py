"""Start-up: nothing heavy is imported before it is needed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPLY = """
import asyncio, sys
import app
from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.sampling import Sampling
from chatapp.pages.blocks import build

async def first_reply():
    await models.first.wait_ready()
    turn = await chat.send("owner", "Say hi.", sampling=Sampling(max_tokens=4))
    async for turn in chat.follow("owner", turn.id):
        pass
    await chat.shutdown()
    return turn

models = ModelManager(Settings(data_dir=sys.argv[1]))
chat = Chat(models, Store("sqlite://"))
build(chat)
models.start()
turn = asyncio.run(first_reply())
models.close()
assert turn.finish_reason and turn.reply_ids, turn
print(*sorted({"torch", "transformers.modeling_utils", "sklearn", "matplotlib"} & set(sys.modules)))
"""


def test_from_the_first_start_on_the_embedded_model_replies_without_torch(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    ended = subprocess.run([sys.executable, "-c", REPLY, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == ""


def test_more_threads_than_cores_are_advised_against() -> None:
    from chatapp.pages.start import crowded

    assert crowded(0, 2) == crowded(2, 2) == ""
    assert "--threads is 99, and 2 cores can be used" in crowded(99, 2)


def test_the_console_says_that_the_app_starts_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "app.py", "--port", "0", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None and app.stderr is not None
        assert app.stdout.readline() == "Starting with smollm2 … the address of the page follows.\n"
        app.kill()
        imported = app.stderr.read()
    assert "chatapp.settings" in imported
    assert not re.search(r"\b(gradio|torch|transformers|sqlalchemy)$", imported, re.M)
