"""What a run would take, measured before it starts: steps, minutes, memory, disk; in a child process, as the run itself."""

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.child import environment
from chatapp.lab.train import corpus, history, limits, process
from chatapp.lab.train import recipe as recipes
from chatapp.lab.train.recipe import Recipe
from chatapp.models.memory import free_memory, gigabytes
from chatapp.tasks import Step

OUT = "plan.json"
LOOK = 0.3
"""Seconds between two looks at how far the child is."""

OBSERVING = 0.05
"""Share that snapshots, validation and checkpoints add."""


def plan(recipe: Recipe, home: Path) -> dict[str, Any]:
    """{steps, seconds_per_step, minutes, memory, disk, free_memory, free_disk} and what run.json says of corpus, tokenizer and rows.

    `home` is where the run would be kept. Takes seconds. Raises ChatError for what would end the run.
    """

    async def last() -> dict[str, Any]:
        return [made async for made in planned(recipe, home)][-1]

    return asyncio.run(last())


async def planned(recipe: Recipe, home: Path) -> AsyncIterator[Step | dict[str, Any]]:
    """What is being done, then the plan. Reading no further ends the child. Raises ChatError, at once for what is no corpus."""
    yield Step("Reading the corpus")
    await asyncio.to_thread(corpus.check, recipe)
    limits.refuse_memory(recipe)
    async with aclosing(measured({history.RECIPE: recipes.written(recipe)}, home)) as lines:
        async for line in lines:
            yield line


async def measured(files: Mapping[str, str], home: Path) -> AsyncIterator[Step | dict[str, Any]]:
    """The same of whatever these files ask for, by name, where `home` is the folder of runs."""
    with tempfile.TemporaryDirectory() as name, measuring(Path(name), files) as child:
        while child.poll() is None:
            yield Step(*history.progress(Path(name)))
            await asyncio.sleep(LOOK)
        out = (Path(name) / OUT).read_bytes()
        if not out:
            words = process.last_words(Path(name)) or "The plan could not be measured: its process ended without a word."
            raise ChatError(words, status=422)
    yield json.loads(out) | {"free_memory": free_memory(), "free_disk": free_disk(home)}


@contextmanager
def measuring(folder: Path, files: Mapping[str, str]) -> Iterator[subprocess.Popen]:
    """The child, which is gone at the end of this."""
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with (folder / OUT).open("wb") as out, (folder / history.WORDS).open("wb") as words:
        command = process.command(folder, 0, "--plan")
        child = subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=out, stderr=words)
    with child:
        try:
            yield child
        finally:
            child.kill()


def measured_plan(folder: Path) -> dict[str, Any]:
    """In the child: prepares all that a run does, takes three steps, and counts."""
    from chatapp.lab.train import pace, prepare
    from chatapp.lab.train.learner import arguments_of, steps_of

    asked, tell = recipes.parse((folder / history.RECIPE).read_bytes(), folder), partial(history.tell, folder)
    made = prepare.prepared(asked, tell)
    limits.refuse(asked, made)
    tell("Measuring three steps", None)
    arguments_of(asked, folder, 1)
    found = pace.measured(asked, made)
    steps = steps_of(asked, made.rows)
    wanted = steps * found.seconds * (1 + OBSERVING) / 60
    return {
        "steps": within(asked.max_minutes, wanted, steps),
        "steps_of_all_epochs": steps,
        "seconds_per_step": found.seconds,
        "minutes": min(wanted, asked.max_minutes or wanted),
        "memory": found.memory,
        "disk": disk(asked, made.facts["parameters"]),
        **made.facts,
    }


def within(limit: float, wanted: float, steps: int) -> int:
    """How many of `steps`, which want `wanted` minutes, are made in `limit` minutes; 0 is no limit."""
    return steps if not limit or wanted <= limit else max(1, int(limit / wanted * steps))


def disk(recipe: Recipe, parameters: int) -> int:
    """Bytes: about twenty snapshots, the checkpoints with two more numbers for each weight, and the model."""
    from chatapp.lab.train.recorder import SNAPSHOTS

    kept = recipe.arguments.get("save_total_limit") or 2
    return parameters * limits.FLOAT * (SNAPSHOTS + 1 + 3 * (kept + 1))


def free_disk(home: Path) -> int:
    """Bytes, where the folder is or will be."""
    while not home.exists():
        home = home.parent
    return shutil.disk_usage(home).free


def refusals(found: dict[str, Any]) -> list[str]:
    """What does not fit, in sentences with numbers; none where all does."""
    made = []
    for what in ("memory", "disk"):
        if found[what] > found[f"free_{what}"]:
            made.append(f"It needs {gigabytes(found[what])} of {what}, and {gigabytes(found[f'free_{what}'])} are free.")
    return made
