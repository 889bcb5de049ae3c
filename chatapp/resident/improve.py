"""What makes the model quicker is made while it already answers, and put in its place when nobody is being answered.

Whatever fails on the way leaves the model as it was, with a line in the log; the next start tries again.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from chatapp.engines import improvement
from chatapp.errors import ChatError
from chatapp.resident.slot import LOOK_EVERY, ended
from chatapp.tasks import EVERYBODY, Task

if TYPE_CHECKING:
    from chatapp.resident.slot import ModelSlot

log = logging.getLogger(__name__)

TITLE = "Prepare the weights for quicker replies, once"


async def improve(resident: "ModelSlot", busy: Callable[[], bool]) -> None:
    """Once the model is ready, as a task. `busy` says whether anybody waits for the model or is being answered: then the work rests."""
    try:
        engine = await resident.wait_ready()
    except ChatError:  # whoever asks for the model is told
        return
    if (steps := improvement(engine)) is None:
        return
    task = resident.tasks.begin(EVERYBODY, "convert", TITLE)
    try:
        await _made(steps, task, busy)
        await resident.renew(engine, busy)
        task.end("done")
    except ChatError as error:
        log.warning("The model goes on with the weights as they were shipped: %s", error)
        task.end(ended(error), error=str(error))


async def _made(steps: Iterator[float], task: Task, busy: Callable[[], bool]) -> None:
    left = threading.Event()

    def make() -> None:
        with closing(steps):
            for share in steps:
                task.tell("Writing them", round(share, 2))
                while busy() and not left.is_set():
                    task.tell("Waiting until nobody is being answered", round(share, 2))
                    time.sleep(LOOK_EVERY)
                if left.is_set():
                    return

    try:
        await asyncio.to_thread(make)
    finally:
        left.set()
