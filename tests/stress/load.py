"""Many people at once, some of whom hang up in the middle: no errors, and afterwards everything is as it was."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import psutil

from chatapp.models.memory import CACHES
from tests.stress.foreign import quiet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.stress.site import KEY, Site, resident_bytes
from tests.stress.visitor import CUT, ENDLESS, Visitor, visitor

STREAMS, PAGES = 30, 4
HANG_UP = 0.3
"""The share of readers who leave in the middle."""
TOKENS = 24
SLOTS = 4
FREE_SECONDS = 15.0
"""Afterwards so many people as there are slots are answered at once, within this."""
GROWTH = {"app": 120e6, "child": CACHES + 100e6}
"""Bytes by which the processes may have grown: llama.cpp keeps prompts of conversations that have no slot, up to its limit."""
HANDLES, THREADS = 30, 40
"""Descriptors and threads that may have come to stay: connections kept open for reuse, threads of pools that grow once."""


@dataclass
class Crowd:
    """What happened to everybody."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)


async def run(plan: Plan) -> AsyncIterator[Row]:
    site = Site(plan.folder, "--concurrency", str(SLOTS))
    with site.running() as process:
        async with visitor(site.url) as person:
            await warmed(person)
            memory, handles, threads = resident_bytes(process.pid), *counted(process.pid)
            crowd = await crowded(site, Random(plan.seed), plan.seconds)
            row = Row(f"load, {plan.seconds} s", crowd.counts.total(), crowd.failures)
            firsts = sorted(crowd.firsts) or [0.0]
            row.worst = f"{dict(crowd.counts)}, first token p50 {firsts[len(firsts) // 2]:.1f} s, last {firsts[-1]:.1f} s"
            yield row
            yield await free(person)
            yield await settled(process.pid, memory, handles, threads)
        yield quiet(site, "load, log")


async def warmed(person: Visitor) -> None:
    """Everything has been used once, in all slots."""
    await asyncio.gather(*(person.api(body("Hello"), 60) for _ in range(SLOTS * 2)))
    await person.act("send", text="Hello", settings={"max_tokens": 4})


def body(question: str) -> dict:
    return {"messages": [{"role": "user", "content": question}], "max_tokens": TOKENS, "stream": True, "temperature": 0}


def counted(pid: int) -> tuple[int, int]:
    app = psutil.Process(pid)
    return app.num_fds(), app.num_threads()


async def crowded(site: Site, random: Random, seconds: float) -> Crowd:
    """STREAMS and PAGES people ask again and again."""
    crowd, end = Crowd(), time.monotonic() + seconds
    async with visitor(site.url) as api:
        people = [stream(api, crowd, Random(random.random()), end) for _ in range(STREAMS)]
        await asyncio.gather(*people, *(page(site, crowd, Random(random.random()), end) for _ in range(PAGES)))
    return crowd


async def stream(api: Visitor, crowd: Crowd, random: Random, end: float) -> None:
    """One client of /v1."""
    while time.monotonic() < end:
        patience = random.uniform(0.05, 6) if random.random() < HANG_UP else 120
        question = f"{random.randrange(10**6)} {ENDLESS} " + "word " * random.randrange(200)
        counts(crowd, *await streamed(api, question, patience, crowd))


async def streamed(api: Visitor, question: str, patience: float, crowd: Crowd) -> tuple[str, str]:
    """(what came of it, the failure in words): done, left, or failed."""
    started, said, before = time.monotonic(), "", crowd.counts.total()
    try:
        async with (
            asyncio.timeout(patience),
            api.client.stream("POST", "/v1/chat/completions", json=body(question), headers={"authorization": f"Bearer {KEY}"}) as answer,
        ):
            if answer.status_code != 200:
                return "failed", f"status {answer.status_code}: {(await answer.aread()).decode()[:200]}"
            async for line in answer.aiter_lines():
                if not said and '"content": ""' not in line and line.startswith("data: {"):
                    crowd.firsts.append(time.monotonic() - started)
                    said = line
                if line.startswith("data: {") and "error" in json.loads(line[6:]):
                    return "failed", line
                if line == "data: [DONE]":
                    return "done", ""
    except TimeoutError:
        came = f"of which came {said[-80:]}" if said else "of which nothing came: it waited"
        ended = crowd.counts.total() - before
        return ("left", "") if patience < 60 else ("failed", f"no end after {patience} s, {came}; meanwhile {ended} others ended")
    except CUT as error:
        return "failed", f"{type(error).__name__} after {time.monotonic() - started:.1f} s, before which came {said[-80:]}"
    return "failed", "the stream ended without its last line"


async def page(site: Site, crowd: Crowd, random: Random, end: float) -> None:
    """One visitor of the page, who goes on with a conversation."""
    async with visitor(site.url) as person:
        conversation, leaf = None, None
        while time.monotonic() < end:
            patience = random.uniform(0.5, 6) if random.random() < HANG_UP else 120
            where = {"conversation": conversation, "leaf": leaf} if conversation else {}
            shown = await person.act("send", text="And then?", settings={"max_tokens": TOKENS}, seconds=patience, **where)
            left = not shown.answer.ended and patience < 60
            fine = shown.ok and shown.shown[-1]["id"] == shown.turn and shown.shown[-1]["line"]["reason"] in ("end", "length")
            words = f"page: {shown.answer.status} {shown.answer.words} {shown.answer.text[-100:]}"
            counts(crowd, "page left" if left else "page done" if fine else "failed", words)
            conversation, leaf = (None, None) if left else (shown.conversation, shown.turn)


def counts(crowd: Crowd, what: str, words: str) -> None:
    crowd.counts[what] += 1
    if what == "failed":
        crowd.failures.append(words[:160])


async def free(person: Visitor) -> Row:
    """No slot is stuck: as many people as there are slots are answered at once."""
    row, started = Row("load, slots afterwards"), time.monotonic()
    answers = await asyncio.gather(*(person.api(body(f"{n} Hello"), FREE_SECONDS) for n in range(SLOTS)))
    for answer in answers:
        row.check(answer.status == 200 and "data: [DONE]" in answer.lines, f"status {answer.status}: {answer.text[-100:]}")
    row.worst = f"{SLOTS} at once took {time.monotonic() - started:.1f} s"
    return row


async def settled(pid: int, memory: dict[str, int], handles: int, threads: int) -> Row:
    """Memory within its bound, descriptors and threads back."""
    row = Row("load, what is left behind")
    await asyncio.sleep(8)  # connections that nobody uses are closed
    now, (handles_now, threads_now) = resident_bytes(pid), counted(pid)
    for name, bytes_now in now.items():
        grown = bytes_now - memory[name]
        row.check(grown < GROWTH[name], f"the {name} grew by {grown / 1e6:.0f} MB")
    row.check(handles_now <= handles + HANDLES, f"descriptors {handles} -> {handles_now}")
    row.check(threads_now <= threads + THREADS, f"threads {threads} -> {threads_now}")
    sizes = ", ".join(f"{name} {memory[name] / 1e6:.0f} -> {now[name] / 1e6:.0f} MB" for name in now)
    row.worst = f"{sizes}, descriptors {handles} -> {handles_now}, threads {threads} -> {threads_now}"
    return row
