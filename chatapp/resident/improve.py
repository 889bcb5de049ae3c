"""What makes the model quicker is made while it already answers, and put in its place when nobody is being answered.

Whatever fails on the way leaves the model as it was, with a line in the log; the next start tries again.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING
from weakref import WeakSet

from chatapp.engines import improvement
from chatapp.engines.bandwidth import known, measure
from chatapp.errors import ChatError
from chatapp.models.hub import no_progress
from chatapp.resident.slot import ended
from chatapp.tasks import EVERYBODY, Task

if TYPE_CHECKING:
    from chatapp.engines.base import Engine
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot

log = logging.getLogger(__name__)

TITLE = "Prepare the weights for quicker replies, once"

NO_ROOM = "There is no memory for a second copy beside the first: the next start serves it."

TEND_EVERY = 5.0
"""Seconds between two looks after the models."""

LOOK_EVERY = 0.1
"""Seconds between two looks whether somebody is still being answered."""


async def tend(models: "ModelManager", idle: float) -> None:
    """Never returns: each model that was loaded is made quicker, and after `idle` seconds (0: never) unloaded where nobody needed it.

    Once, while nobody is answered, the memory's bandwidth is measured, by which speed is forecast.
    """
    seen: WeakSet[Engine] = WeakSet()
    measured = known(models.settings.data_dir)
    with suppress(ChatError):  # whoever asks for the model is told
        await models.first.wait_ready()
    while True:
        for slot in models.slots():
            if slot.state == "ready" and slot.engine not in seen:
                seen.add(slot.engine)
                await improve(slot, lambda: models.busy)
        if not measured and not models.busy:
            measured = await asyncio.to_thread(measure, models.settings.data_dir)
        if idle:
            models.unload_idle(idle)
        await asyncio.sleep(TEND_EVERY)


async def improve(slot: "ModelSlot", busy: Callable[[], bool]) -> None:
    """Once the model is ready, as a task. `busy` says whether anybody waits for the model or is being answered: then the work rests."""
    try:
        engine = await slot.wait_ready()
    except ChatError:  # whoever asks for the model is told
        return
    if (steps := improvement(engine)) is None:
        return
    task = slot.house.tasks.begin(EVERYBODY, "convert", TITLE)
    try:
        await _made(steps, task, busy)
        await renew(slot, engine, busy)
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


async def renew(slot: "ModelSlot", engine: "Engine", busy: Callable[[], bool]) -> None:
    """Open the model once more and put it in the place of `engine` at a moment when nobody is being answered.

    Nothing changes where `engine` is no longer the one. Raises ChatError where it cannot be opened, or would have less room.
    """
    house = slot.house
    source = house.find(slot.settings)
    need = await asyncio.to_thread(house.budget.fits, source, slot.settings)
    if need is None:
        raise ChatError(NO_ROOM)
    opening = house.worker.submit(lambda: house.open(source, slot.settings, no_progress))
    new = await asyncio.shield(asyncio.wrap_future(opening))
    try:
        if new.capabilities.context < engine.capabilities.context:
            raise ChatError(NO_ROOM)
        while busy() and slot.state == "ready" and slot.engine is engine:  # noqa: ASYNC110  what it waits for has no event
            await asyncio.sleep(LOOK_EVERY)
        new = slot.swap(engine, new, need)
    finally:
        await asyncio.to_thread(new.close)
