"""One visitor floods /chat and reads nothing: everybody else is still answered, and what nobody reads is given up."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from tests.stress.foreign import quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import ENDLESS, MAX_TOKENS, SECONDS, Answer, Visitor, visitor

CALLS = 70
ANSWERED_SECONDS = 20.0
"""The longest that another visitor may wait for a short reply while somebody floods the queue."""
GIVEN_UP_SECONDS = 40.0
"""Afterwards nothing is written for nobody any more."""


async def run(plan: Plan) -> AsyncIterator[Row]:
    site = Site(plan.folder)
    with site.running():
        async with visitor(site.url) as other:
            for name, cookie in (("no cookie", False), ("a cookie", True)):
                async with visitor(site.url, cookie=cookie) as greedy:
                    yield await flooded(f"greedy, {name}", greedy, other)
            yield await given_up(other)
        yield quiet(site, "greedy, log")


async def flooded(what: str, greedy: Visitor, other: Visitor) -> Row:
    """Others ask before, while and after the calls come in."""
    row, waits = Row(what), []
    flood = asyncio.gather(*(call(greedy, n) for n in range(CALLS)))
    for n in range(4):
        started = time.monotonic()
        if n % 2:
            answer = await other.api({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}, ANSWERED_SECONDS)
            fine = answer.status == 200
        else:
            answer = await other.act("send", text="Hello", panel={MAX_TOKENS: 4}, seconds=ANSWERED_SECONDS)
            fine = answer.ended and answer.ok and told(answer)
        waits.append(time.monotonic() - started)
        row.check(fine, f"{'/v1' if n % 2 else 'page'} after {waits[-1]:.1f} s: {answer.status} {answer.words} {answer.text[-100:]}")
    row.worst = f"{sum(await flood)} of {CALLS} calls were taken; others waited {max(waits):.1f} s at most"
    return row


async def call(greedy: Visitor, n: int) -> bool:
    """Nobody ever reads the answer."""
    data = [f"{n} {ENDLESS}", "", 0, 1, 1, 2000, 0, 1, None, "", ""]
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            return (await greedy.client.post("/gradio_api/call/chat", json={"data": data})).status_code == 200
    return False


def told(answer: Answer) -> bool:
    """The last reply on the page is whole."""
    return answer.told.get("running") is None


async def given_up(other: Visitor) -> Row:
    """All slots are free again: as many endless questions as there are slots get their first token at once."""
    row, started = Row("greedy, given up afterwards"), time.monotonic()
    taken = 99.0
    while taken > 3 and time.monotonic() - started < GIVEN_UP_SECONDS:
        asked = time.monotonic()
        await asyncio.gather(*(other.api({"messages": [{"role": "user", "content": f"{n}"}], "max_tokens": 2}) for n in range(4)))
        taken = time.monotonic() - asked
    row.check(taken <= 3, f"four short replies still take {taken:.1f} s after {GIVEN_UP_SECONDS:.0f} s")
    row.worst = f"free after {time.monotonic() - started:.1f} s"
    return row
