"""How often a running reply is shown: its latest state, at a pace the page can keep up with."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from chatapp.turn import Turn

HEARTBEAT = 1.0
"""Seconds after which a waiting turn is shown again: its place in the queue changes without the turn changing."""


async def coalesced(stream: AsyncGenerator[Turn], step: float) -> AsyncGenerator[Turn]:
    """The turn of a stream that shows its latest state when asked, at most every `step` seconds; repeated every HEARTBEAT."""
    turn, coming = None, None
    async with aclosing(stream):
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(stream, None))
                await asyncio.wait({coming}, timeout=HEARTBEAT)
                if coming.done():
                    turn, coming = coming.result(), None
                    if turn is None:
                        return
                if turn is not None:
                    yield turn
                    await asyncio.sleep(step if turn.running else 0)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.wait({coming})
