"""What the tests of X-ray share: a chat over a real tiny model, turns it wrote, and views run to their end."""

import asyncio
import gc
import json
import weakref
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from chatapp.chat.service import Chat
from chatapp.pages.xray_page import XrayActions
from chatapp.sampling import Sampling
from chatapp.server import door
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray.inspector import Inspector
from chatapp.xray.service import XrayService
from tests.chats import ME, ended

GREEDY = Sampling(temperature=0, max_tokens=12)


async def told(chat: Chat, text: str = "Where is Paris?", sampling: Sampling = GREEDY) -> Turn:
    """A finished turn of a real engine."""
    return await ended(chat, await chat.send(ME, text, sampling=sampling))


async def last(view: AsyncIterator[Step | dict[str, Any]]) -> dict[str, Any]:
    """The last value of a view; every value on the way must survive JSON unchanged, tuples as lists."""
    found = [item async for item in view]
    values = [item for item in found if not isinstance(item, Step)]
    for value in values:
        assert_plain(value)
    return values[-1]


def assert_plain(value: Any) -> None:
    """Only what JSON has: string keys, numbers that are finite, no objects."""
    if isinstance(value, dict):
        assert all(isinstance(key, str) for key in value), list(value)[:3]
    json.dumps(value, allow_nan=False)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        assert_plain(inner)


async def gone(it: weakref.ref) -> None:
    """Nobody refers to it any more. X-ray's thread, which comes last of all, may hold what it returned for a moment longer."""
    async with asyncio.timeout(20):
        while it() is not None:
            await asyncio.sleep(0.01)
            gc.collect()


async def lines(service: XrayService, owner: str, view: str, turn: str, **more: Any) -> AsyncIterator[dict[str, Any]]:
    """What the page reads of POST /ui/xray; /ui/xray-load for the view `load`."""
    actions, body = XrayActions(service), {"turn": turn, **more}
    stream = actions.load(owner, body) if view == "load" else actions.look(owner, {"view": view, **body})
    async with aclosing(door.lines(stream)) as answers:
        async for line in answers:
            yield json.loads(line)


async def loaded(inspector: Inspector, name: str) -> Any:
    """The slot of a model after X-ray had it loaded."""
    return [item async for item in inspector.load(name)][-1]
