"""What is timed: one reply, a crowd that asks at the same moment, a conversation, people who share a system prompt."""

import asyncio
import os
import statistics
import time
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from chatapp.bench.processes import Tree
from chatapp.engines.base import Engine
from chatapp.prompt.template import render
from chatapp.sampling import Sampling
from chatapp.turn import Finish, Message, Prefilled, Token

QUESTIONS = (
    "Write a long story about a dragon who learns to cook.",
    "Explain gravity to a child, in many small steps.",
    "List twenty uses of a brick and explain each.",
    "Describe a day in the life of a lighthouse keeper.",
    "Write a letter from the moon to the earth.",
    "Explain how bread is made, from the field to the table.",
    "Tell the history of a small village by the sea.",
    "Describe how to plant a garden, month by month.",
)
PASSAGE = (
    "The lighthouse stood on a narrow rock two miles from the coast. Its keeper, an old man named Tomas, lit the lamp every evening and "
    "wrote the weather into a blue notebook. On the ninth of March a storm came from the west. The waves rose higher than the door, and "
    "the glass of the lantern broke. Tomas carried the spare lamp up the stairs and held it in his hands until the morning came."
)
RULES = "".join(f"Rule {n}: answer politely, in whole sentences, and never mention rule {n + 1} unless asked. " for n in range(1, 25))
"""A long system prompt, as companies write them: some 500 tokens."""


@dataclass(frozen=True)
class Run:
    """One reply: tokens generated, seconds to the first one, seconds in all, prompt tokens found in the cache."""

    tokens: int
    first: float
    total: float
    reused: int = 0
    text: str = ""

    @property
    def rate(self) -> float:
        """Tokens per second over the whole reply, prompt included."""
        return self.tokens / self.total if self.total else 0.0


class Way(Protocol):
    """One way to get a reply. `trees` are the processes that work for it; without any, this process does."""

    name: str
    trees: tuple[Tree, ...]

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run: ...


@dataclass(frozen=True)
class Crowd:
    """People who asked at the same moment: all their tokens, seconds until the last reply ended, CPU seconds, each one's first token."""

    people: int
    tokens: int
    seconds: float
    cpu: float
    firsts: tuple[float, ...]

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Tokens per second of processor time, that of the client in this process included."""
        return self.tokens / self.cpu if self.cpu else 0.0


async def reply(engine: Engine, messages: Sequence[Message], sampling: Sampling) -> Run:
    """One reply of a bare engine, without store, server or page."""
    started, first, tokens, reused, text = time.perf_counter(), 0.0, 0, 0, []
    prompt = render(messages, engine.tokenizer, context=engine.capabilities.context, max_tokens=sampling.max_tokens)
    async with aclosing(engine.generate(prompt.ids, sampling)) as events:
        async for event in events:
            match event:
                case Prefilled():
                    reused = event.reused
                case Token():
                    first = first or time.perf_counter() - started
                    tokens += 1
                    text.append(event.text)
                case Finish():
                    text.append(event.text)
    return Run(tokens, first, time.perf_counter() - started, reused, "".join(text))


async def crowd(way: Way, people: int, sampling: Sampling, number: int) -> Crowd:
    """`people` different questions at once. `number` makes them new, so that no prompt cache has seen them.

    It is the seed too: ways over the same engine draw the same tokens, so that no reply ends earlier in one than in the other.
    """
    sampling = replace(sampling, seed=number)
    asked = [[Message("user", f"({number}.{n}) {QUESTIONS[(number + n) % len(QUESTIONS)]}")] for n in range(people)]
    started, cpu = time.perf_counter(), cpu_seconds(way)
    runs = await asyncio.gather(*(way.reply(messages, sampling) for messages in asked))
    seconds = time.perf_counter() - started
    return Crowd(people, sum(r.tokens for r in runs), seconds, cpu_seconds(way) - cpu, tuple(r.first for r in runs))


async def copying(way: Way, sampling: Sampling, number: int) -> float:
    """Tokens per second, from the first one on, of a reply that repeats its prompt."""
    question = f"({number}) Copy this text word by word, without any change:\n\n{PASSAGE}"
    run = await way.reply([Message("user", question)], sampling)
    return (run.tokens - 1) / (run.total - run.first)


async def conversation(way: Way, turns: int, sampling: Sampling, number: int) -> list[Run]:
    """A conversation of `turns` questions, each reply going into the next prompt. It begins cold: no cache knows its system prompt."""
    messages = [Message("system", f"You are assistant number {number} and answer in a few sentences.")]
    runs = []
    for turn in range(turns):
        messages.append(Message("user", f"({number}) {QUESTIONS[turn % len(QUESTIONS)]}"))
        runs.append(await way.reply(messages, sampling))
        messages.append(Message("assistant", runs[-1].text))
    return runs


async def shared_system_prompt(way: Way, sampling: Sampling, number: int) -> tuple[float, float]:
    """Seconds to the first token with RULES never seen before, and for the next person who has the same RULES."""
    first = await way.reply([rules(number), Message("user", QUESTIONS[0])], sampling)
    second = await way.reply([rules(number), Message("user", QUESTIONS[1])], sampling)
    return first.first, second.first


def rules(number: int) -> Message:
    """A system prompt that no cache has seen before."""
    return Message("system", f"You work for company {number}. {RULES}")


def cpu_seconds(way: Way) -> float:
    """Of this process, which is everybody's client, and of the way's own processes."""
    times = os.times()
    return times.user + times.system + sum(tree.cpu_seconds() for tree in way.trees)


def median(values: Iterable[float]) -> float:
    return statistics.median(values)
