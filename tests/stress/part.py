"""The attacks by name; `python -m tests.stress.part NAME SEED SECONDS` runs one and prints each row, as JSON, once it is known."""

import asyncio
import importlib
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.stress.report import Row


@dataclass(frozen=True)
class Plan:
    """Where an attack may write, what it draws from, and how long the load lasts: 60 s are the whole of it."""

    folder: Path
    seed: int
    seconds: int

    def share(self, count: int, least: int = 1) -> int:
        """How many of `count` tries, which are meant for 60 s."""
        return max(least, count * self.seconds // 60)


@dataclass(frozen=True)
class Part:
    """`fixed` + `factor` × the seconds of load is its hard limit. `run` is in the module of its name."""

    fixed: float
    factor: float = 0.0

    def limit(self, seconds: int) -> float:
        return self.fixed + self.factor * seconds


PARTS = {
    "foreign": Part(120),
    "origins": Part(120),
    "fuzz": Part(160, 3.0),
    "hostile": Part(240),
    "kills": Part(120, 6.0),
    "load": Part(180, 1.5),
    "greedy": Part(120),
}

Run = Callable[[Plan], AsyncIterator[Row]]


async def run(name: str, plan: Plan) -> None:
    attack: Run = importlib.import_module(f"tests.stress.{name}").run
    async for row in attack(plan):
        print(row.line(), flush=True)


if __name__ == "__main__":
    name, seed, seconds = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(name, Plan(Path(folder), int(seed), int(seconds))))
