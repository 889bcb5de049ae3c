"""kill -9 at random moments of a reply: the question stays, the reply goes on or can be repeated, the model's process dies, too."""

import asyncio
import html
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import psutil

from tests.serving import until
from tests.stress.foreign import quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import ENDLESS, Shown, visitor

KILLS = 10
"""In a run of 60 s."""
LATEST = 3.0
"""Seconds after the first token until the kill, at most."""
LOST_SECONDS = 1.0
"""What was shown this long before the kill must be on the disk: design.md promises it."""


@dataclass
class Seen:
    """One reply as its reader saw it: (moment, characters) of each view, and when the process was killed."""

    question: str
    views: list[tuple[float, int]] = field(default_factory=list)
    conversation: str = ""
    turn: str = ""
    killed: float = 0.0

    @property
    def promised(self) -> int:
        return max([count for moment, count in self.views if moment < self.killed - LOST_SECONDS], default=0)

    @property
    def last(self) -> int:
        return max([count for _, count in self.views], default=0)


async def run(plan: Plan) -> AsyncIterator[Row]:
    random, site, token = Random(plan.seed), Site(plan.folder), secrets.token_urlsafe(16)
    row, lost = Row("kill -9"), []
    seen: Seen | None = None
    for n in range(plan.share(KILLS, 2) + 1):
        with site.running() as process:
            if seen:
                lost.append(await recovered(site, token, seen, row))
            if n < plan.share(KILLS, 2):
                family = psutil.Process(process.pid).children(recursive=True)
                seen = await killed(site, token, Seen(ENDLESS), random.uniform(0.05, LATEST))
                row.check(until(lambda family=family: not any(alive(child) for child in family)), "a child outlived the app")
    row.worst = f"shown but lost, in characters: {', '.join(map(str, lost))}"
    yield row
    yield quiet(site, "kill -9, log")


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def killed(site: Site, token: str, seen: Seen, moment: float) -> Seen:
    """Ask, read for `moment` seconds from the first token on, kill."""
    first = asyncio.Event()

    def look(shown: Shown) -> None:
        seen.conversation, seen.turn = shown.conversation or "", shown.turn
        if written := words_in(shown):
            seen.views.append((time.monotonic(), len(written)))
            first.set()

    async with visitor(site.url, token=token) as person:
        settings = {"temperature": 0, "max_tokens": 4000}
        reader = asyncio.create_task(person.act("send", text=seen.question, settings=settings, seen=look))
        await asyncio.wait_for(first.wait(), 60)
        await asyncio.sleep(moment)
        psutil.Process(site.tree.pid).kill()
        seen.killed = time.monotonic()
        await asyncio.wait({reader}, timeout=10)
        reader.cancel()
    return seen


def words_in(shown: Shown) -> str:
    """The words of the last reply, as somebody reads them."""
    rows = shown.shown
    return html.unescape(re.sub(r"<[^>]*>", "", "".join(rows[-1]["blocks"]))).strip() if rows else ""


async def recovered(site: Site, token: str, seen: Seen, row: Row) -> int:
    """How many characters that were seen are gone; the question is there and the reply can be gone on with."""
    async with visitor(site.url, token=token) as person:
        shown = await person.watch(seen.conversation)
        users = [one["user"] for one in shown.shown]
        row.check(shown.ok and users == [seen.question], f"the question is {users}")
        kept, text = words_in(shown), shown.shown[-1]["text"] if users else ""
        row.check(len(kept) >= seen.promised, f"{seen.promised - len(kept)} characters older than {LOST_SECONDS:.0f} s are gone")
        more = await person.act("continue", turn=seen.turn, settings={"temperature": 0, "max_tokens": 4})
        written = more.shown[-1]["text"] if more.shown else ""
        row.check(more.ok and bool(written) and written.startswith(text), f"{len(kept)} characters do not go on: {more.answer.words}")
    return max(0, seen.last - len(kept))
