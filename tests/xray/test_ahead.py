"""What X-ray prepares while nobody is answered: it waits, it stands still, it can be cancelled, and the first look finds it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from chatapp.models.convert import is_converted
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.tasks import Cancelled, Task
from chatapp.xray.ahead import ahead, converted, paused_by, rested
from tests.chats import until
from tests.openers import Loaded

CHILD = "import sys; sys.stdin.read()"


async def test_it_waits_until_nobody_was_busy_for_a_while() -> None:
    answers = iter([True, False, True, True])
    asked: list[bool] = []

    def busy() -> bool:
        asked.append(next(answers, False))
        return asked[-1]

    await asyncio.wait_for(rested(busy, 0.2), 20)
    assert asked[:4] == [True, False, True, True] and not any(asked[4:]) and len(asked) >= 6


@asynccontextmanager
async def working(busy: list[bool], task: Task) -> AsyncIterator[tuple[asyncio.subprocess.Process, asyncio.Task]]:
    """A child that works until its input ends, and whoever pauses it."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, stdin=pipe)
    ended = asyncio.create_task(child.wait())
    pausing = asyncio.create_task(paused_by(lambda: busy[-1], child, ended, task))
    try:
        yield child, pausing
    finally:
        if not ended.done():
            child.kill()
        await ended


async def test_the_child_stands_still_while_somebody_is_answered_and_goes_on_afterwards() -> None:
    busy, task = [True], Task("", "convert", "x")
    async with working(busy, task) as (child, pausing):
        await until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED)
        await until(lambda: task.step.words == "Waiting until nobody is being answered")
        busy.append(False)
        await until(lambda: psutil.Process(child.pid).status() != psutil.STATUS_STOPPED)
        child.stdin.close()
        await asyncio.wait_for(pausing, 20)
        assert child.returncode == 0


async def test_a_person_can_cancel_it() -> None:
    task = Task("", "convert", "x")
    async with working([False], task) as (_, pausing):
        task.cancelling = True
        with pytest.raises(Cancelled):
            await asyncio.wait_for(pausing, 20)


@pytest.mark.slow
async def test_the_first_look_finds_the_weights_converted_and_pytorch_imported(smol_gguf: Path, tmp_path: Path) -> None:
    models = ModelManager.of(Loaded("smollm2"), Settings(data_dir=tmp_path))
    await ahead(models, quiet=0.0)
    assert is_converted(smol_gguf, tmp_path) and {"torch", "chatapp.xray.lens"} <= set(sys.modules)
    assert [(task.title, task.state) for task in models.tasks.of("")] == [("Prepare X-ray's first look, once", "done")]
    models.close()


async def test_what_cannot_be_converted_is_left_to_the_look_that_needs_it(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF and nothing more")
    models = ModelManager.of(Loaded("broken"), Settings(data_dir=tmp_path))
    await converted(broken, models)
    [task] = models.tasks.of("")
    assert task.state == "failed" and "broken.gguf" in task.error
    models.close()
