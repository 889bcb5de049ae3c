"""Who is measured when: every way in turn, alone on the machine, again and again, so that a busy moment of the machine hits all alike.

The engine, always right after the naive way, lost 7 %: so each is woken by a short reply, and another begins each time.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chatapp.bench import doors, peers
from chatapp.bench.measure import Crowd, Way, conversation, copying, crowd, shared_system_prompt
from chatapp.bench.naive import NaiveWay
from chatapp.engines import open_engine
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.settings import Settings

SLOW = ("naive", "serve", "serve_batching")
"""Tens of seconds each time many people ask."""

ONE_MESSAGE = ("ui", "gradio_client")
"""They send no history."""

ANEW = {"api": 100_000, "gradio_client": 200_000}
"""Added to the number of a crowd: the doors of one app have one model, which would have read these questions through another door."""

WAKING_NUMBER = 10_000
WAKING = Sampling(temperature=0.0, max_tokens=16)
"""Brings a way's memory back into the processor's caches, and the first time its libraries into memory."""

TURNS, TURN_TOKENS = 10, 32

COPYISTS = ("guessing", "llamacpp")
"""Who is asked to repeat its prompt: an engine for few people, which guesses ahead, against llama.cpp, which does not."""
COPY_TOKENS = 80


@dataclass(frozen=True)
class Plan:
    """`repeats` interleaved runs of each way; `tokens` in a reply to one person, `crowd_tokens` to one of many."""

    settings: Settings
    repeats: int
    tokens: int
    crowd_tokens: int
    crowds: tuple[int, ...]
    peers: bool

    def sampling(self, people: int) -> Sampling:
        return Sampling(temperature=0.7, top_k=50, top_p=0.95, max_tokens=self.tokens if people == 1 else self.crowd_tokens)

    @property
    def compared(self) -> int:
        """The crowd whose ratios are reported: 8, or the largest there is."""
        return 8 if 8 in self.crowds else max(self.crowds)


@dataclass
class Results:
    """crowds[way][people]: runs in the order of `repeats`; turns and shared: seconds to the first token; copies: tokens per second."""

    crowds: dict[str, dict[int, list[Crowd]]] = field(default_factory=dict)
    turns: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    shared: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    copies: dict[str, list[float]] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)


class Stage:
    """All ways, all asleep but the one being measured: idle threads of another would spin on its cores."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self.ways = {way.name: way for way in ways}
        self.compared = [name for name in self.ways if name != "guessing"]
        for way in ways:
            _each(way, "pause")

    def in_turn(self, repeat: int) -> list[str]:
        """Names of those compared in the order of this repeat: the quick ones take turns at the beginning, the slow ones stay the last."""
        quick = [name for name in self.compared if name not in SLOW]
        first = repeat % len(quick)
        return [*quick[first:], *quick[:first], *(name for name in self.compared if name in SLOW)]

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[Way]:
        """The way, woken up, while all others sleep."""
        way = self.ways[name]
        _each(way, "resume")
        try:
            await crowd(way, 1, WAKING, WAKING_NUMBER)
            yield way
        finally:
            _each(way, "pause")

    def close(self) -> None:
        for way in self.ways.values():
            _each(way, "resume")


def _each(way: Way, what: str) -> None:
    for tree in way.trees:
        getattr(tree, what)()


async def open_ways(plan: Plan, engine: Engine, source, folder: Path, threads: int, stack: AsyncExitStack) -> list[Way]:
    """Start everything. What has started sleeps while the next one loads. The engine's closest relatives come right after it."""
    ways: list[Way] = [doors.EngineWay(engine)]

    def add(way: Way) -> None:
        for tree in way.trees:
            tree.pause()
            stack.callback(tree.resume)
        ways.append(way)

    url, tree, records = stack.enter_context(doors.app(plan.settings))
    door = await asyncio.to_thread(doors.GradioWay, url, tree, records)
    ways += [doors.PageWay(url, tree, records), doors.ApiWay(url, tree)]
    add(door)
    if plan.peers:
        if engine.info.engine == "llamacpp":
            add(stack.enter_context(peers.bare_llama(engine)))
            guessing = open_engine(source, plan.settings.model_copy(update={"concurrency": 1}), lambda words, share: None)
            stack.callback(guessing.close)
            add(doors.EngineWay(guessing, "guessing"))
            if (native := stack.enter_context(peers.native_llama(engine))) is not None:
                add(native)
        # A quarter more room than llama.cpp's slots: the scheduler holds prompts back when its pages are nearly full.
        for room in (0, plan.settings.concurrency * engine.info.context * 5 // 4):
            add(stack.enter_context(peers.serve(folder, threads, room)))
    naive = await NaiveWay.start(folder, threads)
    stack.push_async_callback(naive.close)
    add(naive)
    return ways


async def measure(plan: Plan, stage: Stage) -> Results:
    results = Results()
    for people in plan.crowds:
        await _crowds(plan, stage, people, results)
    for repeat in range(plan.repeats):
        await _first_tokens(plan, stage, repeat, results)
        await _copies(stage, repeat, results)
    for name in stage.compared:
        way = stage.ways[name]
        results.peak_bytes[name] = sum(tree.peak_bytes() for tree in way.trees)
    return results


async def _crowds(plan: Plan, stage: Stage, people: int, results: Results) -> None:
    """Ways that wait for minutes run once where no ratio of theirs is reported."""
    for repeat in range(plan.repeats):
        for name in stage.in_turn(repeat):
            if repeat and name in SLOW and people != (1 if name == "naive" else plan.compared):
                continue
            try:
                async with stage.alone(name) as way:
                    run = await crowd(way, people, plan.sampling(people), ANEW.get(name, 0) + 1000 * people + repeat)
            except ChatError as error:  # a peer's failure is a result, not the end of the benchmark
                print(f"{people} people: {error}", file=sys.stderr, flush=True)
                continue
            results.crowds.setdefault(name, {}).setdefault(people, []).append(run)


async def _first_tokens(plan: Plan, stage: Stage, repeat: int, results: Results) -> None:
    """Turn 1 and turn 10 of a conversation, which takes the slow a minute, the first and the second person with one system prompt."""
    for name in stage.in_turn(repeat):
        if name in ONE_MESSAGE:
            continue
        try:
            async with stage.alone(name) as way:
                shared = await shared_system_prompt(way, Sampling(temperature=0.0, max_tokens=4), repeat)
                results.shared.setdefault(name, []).append(shared)
                if repeat == 0 or name not in SLOW:
                    turns = await conversation(way, TURNS, Sampling(temperature=0.0, max_tokens=min(TURN_TOKENS, plan.tokens)), repeat)
                    results.turns.setdefault(name, []).append((turns[0].first, turns[-1].first))
        except ChatError as error:
            print(error, file=sys.stderr, flush=True)


async def _copies(stage: Stage, repeat: int, results: Results) -> None:
    names = [name for name in COPYISTS if name in stage.ways]
    for name in names[:: (1, -1)[repeat % 2]]:
        async with stage.alone(name) as way:
            rate = await copying(way, Sampling(temperature=0.0, max_tokens=COPY_TOKENS), repeat)
        results.copies.setdefault(name, []).append(rate)
