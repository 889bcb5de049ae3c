"""What a run would take, measured before it starts: steps, minutes, memory, disk; in a child process, as the run itself."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.train import history, process
from chatapp.lab.train import recipe as recipes
from chatapp.lab.train.recipe import Recipe
from chatapp.models.hub import no_progress
from chatapp.models.memory import free_memory, gigabytes

FLOAT = 4
"""Bytes of a weight: everything is trained in float32."""

OBSERVING = 0.15
"""Share that snapshots, validation and samples add to a short run; of a long one it is less."""


def plan(recipe: Recipe, home: Path) -> dict[str, Any]:
    """{steps, seconds_per_step, minutes, memory, disk, free_memory, free_disk} and what run.json says of corpus, tokenizer and rows.

    `home` is where the run would be kept. Takes seconds: run it in a thread. Raises ChatError for what would end the run.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / history.RECIPE).write_text(recipes.written(recipe), encoding="utf-8")
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(process.command(Path(folder), 0, "--plan"), env=process.environment(), **pipes) as child:
            try:
                out = child.stdout.read()
                words = child.stderr.read().decode(errors="replace").strip().splitlines()
            finally:
                child.kill()
    if not out:
        raise ChatError(words[-1] if words else "The plan could not be measured: its process ended without a word.", status=422)
    return json.loads(out) | {"free_memory": free_memory(), "free_disk": free_disk(home)}


def measured_plan(folder: Path) -> dict[str, Any]:
    """In the child: prepares all that a run does, takes three steps, and counts."""
    from chatapp.lab.train import pace, prepare
    from chatapp.lab.train.learner import arguments_of, steps_of

    asked = recipes.parse((folder / history.RECIPE).read_bytes(), folder)
    made = prepare.prepared(asked, no_progress)
    arguments_of(asked, folder, 1)
    found = pace.measured(asked, made)
    steps = steps_of(asked, made.rows)
    wanted = steps * found.seconds * (1 + OBSERVING) / 60
    limit = asked.max_minutes or float("inf")
    return {
        "steps": min(steps, max(1, int(limit / wanted * steps))),
        "steps_of_all_epochs": steps,
        "seconds_per_step": found.seconds,
        "minutes": min(wanted, limit),
        "memory": found.memory,
        "disk": disk(asked, made.facts["parameters"]),
        **made.facts,
    }


def disk(recipe: Recipe, parameters: int) -> int:
    """Bytes: about twenty snapshots, the checkpoints with two more numbers for each weight, and the model."""
    from chatapp.lab.train.recorder import SNAPSHOTS

    kept = recipe.arguments.get("save_total_limit") or 2
    return parameters * FLOAT * (SNAPSHOTS + 1 + 3 * (kept + 1))


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
