"""What a first look through X-ray would wait for is done before, while nobody is answered: PyTorch's import, the conversion of a GGUF.

No weights are read ahead: what is kept is a folder on the disk, and some 0.3 GB of libraries where there is plenty of memory.
"""

import asyncio
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.models.convert import is_converted
from chatapp.models.gguf import read_gguf
from chatapp.models.memory import free_memory
from chatapp.resident.improve import LOOK_EVERY
from chatapp.resident.manager import ModelManager
from chatapp.tasks import EVERYBODY, Task
from chatapp.xray.inspector import rooms

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]

QUIET = 10.0
"""Seconds without a message or a task after which nobody is thought to wait for the machine."""

PLENTY = 5 * 2**29
"""Bytes of free memory from which on libraries that take 0.3 GB are imported before somebody asks for them."""

LARGEST = 5 * 10**8
"""Weights of a GGUF that is converted unasked: 1 GB on the disk, and four times that in memory for seconds."""

TITLE = "Prepare X-ray's first look, once"


async def ahead(models: ModelManager, quiet: float = QUIET) -> None:
    """Once the first model is there. Whatever fails is left to the look that needs it, which says why."""
    try:
        await models.first.wait_ready()
        source = models.house.find(models.first.settings)
    except ChatError:
        return
    if source.server:  # its replies have nothing to look into
        return

    def busy() -> bool:
        return models.busy or any(task.state == "running" for task in models.tasks.of(EVERYBODY))

    await rested(busy, quiet)
    if source.gguf and not is_converted(source.gguf, models.settings.data_dir) and read_gguf(source.gguf).parameters <= LARGEST:
        await converted(source.gguf, models)
    for module in ("torch", "transformers.modeling_utils", *(f"chatapp.xray.{room}" for room in rooms())):
        await rested(busy, 0.0 if module in sys.modules else quiet)
        if free_memory() < PLENTY:
            return
        await asyncio.to_thread(importlib.import_module, module)


async def rested(busy: Callable[[], bool], seconds: float) -> None:
    """Returns when nobody was busy for so long."""
    since = time.monotonic()
    while time.monotonic() - since < seconds or busy():
        if busy():
            since = time.monotonic()
        await asyncio.sleep(LOOK_EVERY)


async def converted(gguf: Path, models: ModelManager) -> None:
    """By a child process that stands still while somebody is being answered."""
    task = models.tasks.begin(EVERYBODY, "convert", TITLE)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    child = await asyncio.create_subprocess_exec(
        *command(gguf, models.settings.data_dir), cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    ended = asyncio.create_task(child.communicate())
    try:
        await paused_by(lambda: models.busy, child, ended, task)
        if child.returncode:
            words = (await ended)[1].decode(errors="replace").strip().splitlines()
            raise ChatError(words[-1] if words else f"The conversion ended with status {child.returncode}.")
        task.end("done")
    except ChatError as error:
        log.warning("X-ray's first look will take longer: %s", error)
        task.end("cancelled" if task.cancelling else "failed", error=str(error))
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await ended


def command(gguf: Path, data_dir: Path) -> list[str]:
    """The child's, which begins in the app's own folder."""
    return [sys.executable, "-m", "chatapp.models.convert_child", str(gguf.absolute()), str(data_dir.absolute())]


async def paused_by(busy: Callable[[], bool], child: asyncio.subprocess.Process, ended: "asyncio.Task", task: Task) -> None:
    """Until the child has ended. Raises Cancelled where a person cancelled the task."""
    stands = False
    while not ended.done():
        task.tell("Waiting until nobody is being answered" if stands else "Converting the weights, behind everything else")
        if busy() is not stands:
            stands = not stands
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGSTOP if stands else signal.SIGCONT)
        await asyncio.wait([ended], timeout=LOOK_EVERY)
