"""Who draws in a tab, and how often: the newest event only, the latest state of a turn at a pace the page can keep up with."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from chatapp.turn import Turn

HEARTBEAT = 1.0
"""Seconds after which a waiting turn is shown again: its place in the queue changes without the turn changing."""


class Drawing:
    """One event of a tab that draws: its number as the tab counts (two close ones may arrive the other way round), and its end."""

    def __init__(self, order: int) -> None:
        self.order = order
        self.over = False
        self.wake = asyncio.Event()
        self.ended = asyncio.Event()


async def coalesced(stream: AsyncIterator[Turn], step: float, changed: asyncio.Event) -> AsyncIterator[Turn]:
    """The latest turn of a stream, at most every `step` seconds, never losing the last one; repeats it every HEARTBEAT.

    Setting `changed` from outside brings the next one at once.
    """
    latest: list[Turn] = []

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
