"""kill -9 at random moments of a reply: the question stays, the reply goes on or can be repeated, the model's process dies, too."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random

import psutil

from tests.serving import until
from tests.stress.foreign import quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import Site
from tests.stress.visitor import ENDLESS, MAX_TOKENS, TEMPERATURE, Answer, visitor

KILLS = 10
"""In a run of 60 s."""
LATEST = 3.0
"""Seconds after the first token until the kill, at most."""
LOST_SECONDS = 1.0
"""What was shown this long before the kill must be on the disk: design.md promises it."""


@dataclass
class Shown:
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
    shown: Shown | None = None
    for n in range(plan.share(KILLS, 2) + 1):
        with site.running() as process:
            if shown:
                lost.append(await recovered(site, token, shown, row))
            if n < plan.share(KILLS, 2):
                family = psutil.Process(process.pid).children(recursive=True)
                shown = await killed(site, token, Shown(f"{n} {ENDLESS}"), random.uniform(0.05, LATEST))
                row.check(until(lambda family=family: not any(alive(child) for child in family)), "a child outlived the app")
    row.worst = f"shown but lost, in characters: {', '.join(map(str, lost))}"
    yield row
    yield quiet(site, "kill -9, log")


def alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


async def killed(site: Site, token: str, shown: Shown, moment: float) -> Shown:
    """Ask, read for `moment` seconds from the first token on, kill."""
    answer, first = Answer(), asyncio.Event()
    async with visitor(site.url, token=token) as person:
        body = person.body("act", {"do": "send", "text": shown.question}, {TEMPERATURE: 0, MAX_TOKENS: 4000})

        async def read() -> None:
            async with aclosing(person.views(body, answer)) as views:
                async for view in views:
                    if written := reply_in(view):
                        shown.views.append((time.monotonic(), len(written)))
                        first.set()

        reader = asyncio.create_task(read())
        await asyncio.wait_for(first.wait(), 60)
        await asyncio.sleep(moment)
        psutil.Process(site.tree.pid).kill()
        shown.killed = time.monotonic()
        await asyncio.wait({reader}, timeout=10)
        reader.cancel()
    shown.conversation, shown.turn = answer.told["conversation"], answer.told["leaf"]
    return shown


def reply_in(view: list) -> str:
    """The last message of the transcript, if the model wrote it; the page shows a dash of its own before the first token."""
    messages = view[1] if isinstance(view[1], list) else []
    return plain(messages[-1]["content"]) if messages and messages[-1]["role"] == "assistant" else ""


def plain(content: object) -> str:
    """Gradio wraps a message's text in a list of parts."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return str(content)


async def recovered(site: Site, token: str, shown: Shown, row: Row) -> int:
    """How many shown characters are gone; the question is there and the reply can be gone on with."""
    async with visitor(site.url, token=token) as person:
        opened = await person.act("open", conversation=shown.conversation)
        users = [user["text"] for user in opened.told.get("users", [])]
        row.check(users == [shown.question], f"the question is {users}")
        kept = reply_in(opened.values[0]) if opened.values else ""
        row.check(len(kept) >= shown.promised, f"{shown.promised - len(kept)} characters older than {LOST_SECONDS:.0f} s are gone")
        more = await person.act("continue", turn=shown.turn, panel={TEMPERATURE: 0, MAX_TOKENS: 4})
        written = [reply_in(view) for view in more.values if reply_in(view)]
        goes_on = more.ok and bool(written) and written[-1].startswith(kept.strip()[:20])
        row.check(goes_on, f"the reply of {len(kept)} characters does not go on: {more.words}")
    return max(0, shown.last - len(kept))
