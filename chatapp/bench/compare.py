"""--compare: a grid beside its bare engine, eight replies to a long prompt beside as many to a short one, six columns in a browser."""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from chatapp.bench.columns import against_a_chat
from chatapp.chat.build import build_prompt, engine_sampling, stamp
from chatapp.engines.base import Engine
from chatapp.lab.compare import Comparison
from chatapp.lab.grid import Cell, Column, Grid, PromptSpec
from chatapp.lab.metrics import tokens_read
from chatapp.lab.results import Results
from chatapp.lab.rows import Row
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.tasks import Tasks
from chatapp.turn import Token, Turn

OWNER = "bench"
PROMPTS, GRID_TOKENS = 8, 32
TEMPERATURES = (0.3, 0.7, 1.0, 1.3)
REPLIES, TOKENS = 8, 128
LONG, SHORT = 500, 10
"""Words of the two prompts: about as many tokens."""

WORDS = "rain stone river light wind leaf door winter harbour road"


def main(settings: Settings, engine: Engine, repeats: int) -> int:
    """Print what was measured, then it as a line of JSON."""
    found = asyncio.run(measured(settings, engine, repeats)) | {"six_columns_vs_chat": against_a_chat(settings, repeats)}
    for name, ratios in found.items():
        print(f"{name}: {median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
    print(json.dumps(found))
    return 0


async def measured(settings: Settings, engine: Engine, repeats: int) -> dict[str, list[float]]:
    """By name the ratio of each repeat. What is compared runs one after the other within a repeat, so that a busy moment hits all alike."""
    models = ModelManager.of(engine, settings)
    found: dict[str, list[float]] = {"grid_vs_engine": [], "long_vs_short_prompt": [], "prompt_tokens_read": []}
    await run_of(models, grid_of(["Say hello."], 1, 8))
    for repeat in range(repeats):
        grid = grid_of([question(f"{repeat} {n}", 20) for n in range(PROMPTS)], len(TEMPERATURES), GRID_TOKENS)
        bare = await bare_rate(engine, grid.cells())
        rows, seconds = await run_of(models, grid)
        found["grid_vs_engine"].append(tokens(rows) / seconds / bare)
        costs = {}
        for words in (SHORT, LONG):
            rows, seconds = await run_of(models, grid_of([question(f"{repeat}", words)], 1, TOKENS, REPLIES))
            costs[words] = seconds / tokens(rows)
            read, given = tokens_read(rows)
        found["long_vs_short_prompt"].append(costs[LONG] / costs[SHORT])
        found["prompt_tokens_read"].append(read / given)
        print(f"{repeat + 1} of {repeats}: " + ", ".join(f"{name} {ratios[-1]:.2f}" for name, ratios in found.items()), flush=True)
    models.close()
    return found


def question(salt: str, words: int) -> str:
    """So many words that no other question begins with."""
    return f"{salt}: tell a long story of " + " ".join((WORDS.split() * words)[:words]) + "."


def grid_of(prompts: Sequence[str], settings: int, most: int, replicas: int = 1) -> Grid:
    """These prompts by so many temperatures."""
    columns = [Column(f"{heat:g}", sampling=Sampling(temperature=heat, max_tokens=most)) for heat in TEMPERATURES[:settings]]
    return Grid(tuple(map(PromptSpec, prompts)), tuple(columns), replicas=replicas)


async def run_of(models: ModelManager, grid: Grid) -> tuple[list[Row], float]:
    """(rows, seconds) of a whole run."""
    with tempfile.TemporaryDirectory() as folder:
        results = Results(Path(folder) / "results.jsonl", grid)
        began = time.perf_counter()
        run = Comparison(results, models, owner=OWNER, task=Tasks().begin(OWNER, "compare", "Bench"), may_load=False)
        rows = [row async for row in run.run()]
        return rows, time.perf_counter() - began


def tokens(rows: Sequence[Row]) -> int:
    return sum(row["tokens"] for row in rows)


async def bare_rate(engine: Engine, cells: Sequence[Cell]) -> float:
    """Tokens a second of the same replies from the engine alone, its slots always full, a prompt's replies one after the other."""
    prompts: dict[int, list[Turn]] = {}
    for cell in cells:
        turn = Turn(OWNER, "", f"Bare {cell.question.text}", sampling=cell.sampling)
        stamp(turn, build_prompt(turn, [], engine), engine)
        prompts.setdefault(cell.question.index, []).append(turn)
    waiting = list(prompts.values())[::-1]
    began = time.perf_counter()
    made = await asyncio.gather(*(_slot(engine, waiting) for _ in range(engine.capabilities.concurrency)))
    return sum(made) / (time.perf_counter() - began)


async def _slot(engine: Engine, waiting: list[list[Turn]]) -> int:
    made = 0
    while waiting:
        for turn in waiting.pop():
            async for event in engine.generate(turn.prompt_ids, engine_sampling(turn, engine)):
                made += isinstance(event, Token)
    return made
