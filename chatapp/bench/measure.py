"""Drive an engine the way the product does and time what comes out."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from chatapp.engines.base import Engine
from chatapp.prompt import render
from chatapp.turn import Finish, Message, Prefilled, Sampling, Token

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


async def reply(engine: Engine, messages: Sequence[Message], sampling: Sampling) -> Run:
    """One reply of a bare engine, without store, server or page."""
    prompt = render(messages, engine.tokenizer, context=engine.capabilities.context, max_tokens=sampling.max_tokens)
    started, first, tokens, reused, text = time.perf_counter(), 0.0, 0, 0, []
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


async def together(engine: Engine, people: int, sampling: Sampling) -> float:
    """Tokens per second of `people` different questions asked at the same moment."""
    started = time.perf_counter()
    questions = [QUESTIONS[i % len(QUESTIONS)] for i in range(people)]
    runs = await asyncio.gather(*(reply(engine, [Message("user", q)], sampling) for q in questions))
    return sum(run.tokens for run in runs) / (time.perf_counter() - started)


async def conversation(engine: Engine, turns: int, sampling: Sampling) -> list[Run]:
    """A conversation of `turns` questions, each reply going into the next prompt."""
    messages: list[Message] = []
    runs = []
    for turn in range(turns):
        messages.append(Message("user", QUESTIONS[turn % len(QUESTIONS)]))
        runs.append(await reply(engine, messages, sampling))
        messages.append(Message("assistant", runs[-1].text))
    return runs


def interleaved(ways: dict[str, Callable[[str], Run]], repeats: int) -> dict[str, list[Run]]:
    """Run every way in turn, `repeats` times, so that a busy moment of the machine hits all of them alike.

    Every run has a question of its own, the same for all ways, so that no prompt cache helps one of them.
    """
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for repeat in range(repeats):
        for name, way in ways.items():
            runs[name].append(way(f"{QUESTIONS[repeat % len(QUESTIONS)]} ({repeat + 1})"))
    return runs


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def read_bandwidth(threads: int) -> float:
    """Bytes per second this machine reads from memory with `threads` threads: the best of 5 sums over 512 MiB."""
    import torch

    torch.set_num_threads(threads)
    block = torch.ones(128 * 2**20, dtype=torch.float32)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        block.sum()
        seconds.append(time.perf_counter() - started)
    return block.nbytes / min(seconds)
