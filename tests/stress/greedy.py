"""One visitor floods /chat or the page's door and reads nothing: everybody else is still answered, and what nobody reads is given up."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from tests.calls import call_data
from tests.stress.foreign import quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import ENDLESS, SECONDS, Visitor, visitor

CALLS = 70
ANSWERED_SECONDS = 20.0
"""The longest that another visitor may wait for a short reply while somebody floods the queue."""
GIVEN_UP_SECONDS = 40.0
"""Afterwards nothing is written for nobody any more."""

Ask = Callable[[Visitor, int, Row], Awaitable[bool]]


async def run(plan: Plan) -> AsyncIterator[Row]:
    site = Site(plan.folder)
    with site.running():
        async with visitor(site.url) as other:
            for name, cookie, ask in (("no cookie", False, call), ("a cookie", True, call), ("messages of the page", True, send)):
                async with visitor(site.url, cookie=cookie) as greedy:
                    yield await flooded(f"greedy, {name}", greedy, ask, other)
            yield await given_up(other)
        yield quiet(site, "greedy, log")


async def flooded(what: str, greedy: Visitor, ask: Ask, other: Visitor) -> Row:
    """Others ask before, while and after the calls come in."""
    row, waits = Row(what), []
    flood = asyncio.gather(*(ask(greedy, n, row) for n in range(CALLS)))
    for n in range(4):
        started = time.monotonic()
        if n % 2:
            answer = await other.api({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}, ANSWERED_SECONDS)
            fine = answer.status == 200
        else:
            shown = await other.act("send", text="Hello", settings={"max_tokens": 4}, seconds=ANSWERED_SECONDS)
            answer, fine = shown.answer, shown.ok and shown.shown[-1]["line"]["reason"] in ("end", "length")
        waits.append(time.monotonic() - started)
        row.check(fine, f"{'/v1' if n % 2 else 'page'} after {waits[-1]:.1f} s: {answer.status} {answer.words} {answer.text[-100:]}")
    row.worst = f"{sum(await flood)} of {CALLS} calls were taken; others waited {max(waits):.1f} s at most"
    return row


async def call(greedy: Visitor, n: int, row: Row) -> bool:
    """/chat; nobody ever reads the answer."""
    data = call_data(f"{n} {ENDLESS}", temperature=0, max_tokens=2000)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            return (await greedy.client.post("/gradio_api/call/chat", json={"data": data})).status_code == 200
    return False


async def send(greedy: Visitor, n: int, row: Row) -> bool:
    """A message of the page that nobody watches, for a short reply, which is written all the same. Too many are refused."""
    settings = {"temperature": 0, "max_tokens": 8}
    answer = await greedy.ask("chat", do="send", text=f"{n} {ENDLESS}", settings=settings)
    row.check(answer.ok or (answer.status == 429 and bool(answer.words)), f"message {n}: {answer.status} {answer.text[-100:]}")
    return answer.ok


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
