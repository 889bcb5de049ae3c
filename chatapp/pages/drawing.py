"""How often a running reply is shown: its latest state, at a pace the page can keep up with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from chatapp.turn import Turn

HEARTBEAT = 1.0
"""Seconds after which a waiting turn is shown again: its place in the queue changes without the turn changing."""


async def coalesced(stream: AsyncIterator[Turn], step: float) -> AsyncIterator[Turn]:
    """The latest turn of a stream, at most every `step` seconds, never losing the last one; repeats it every HEARTBEAT."""
    latest: list[Turn] = []
    changed = asyncio.Event()

    async def pump() -> None:
        try:
            async for turn in stream:
                latest[:] = [turn]
                changed.set()
        finally:
            changed.set()

    task = asyncio.create_task(pump())
    try:
        while not (task.done() and not changed.is_set()):
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), HEARTBEAT)
            changed.clear()
            if latest:
                yield latest[0]
            await asyncio.sleep(0 if task.done() else step)
        await task
    finally:
        task.cancel()
