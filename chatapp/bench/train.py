"""`--train`: a step beside a bare torch loop's, the chat's speed beside a run, and what 2 and 10 minutes teach, with what watching took."""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from chatapp.bench.measure import QUESTIONS, reply
from chatapp.engines.base import Engine
from chatapp.engines.cores import usable_cores
from chatapp.errors import ChatError
from chatapp.lab.train import history, process
from chatapp.lab.train.recipe import PRESETS, Recipe
from chatapp.models.cpu import cpu_name
from chatapp.models.hub import no_progress
from chatapp.sampling import Sampling
from chatapp.turn import Message

STEPS, WARM = 24, 4
"""Of one measurement, and how many of them at its beginning do not count."""

MINUTES = (2, 10)
BEGUN = 300
"""Seconds within which a run has taken its first steps."""


def main(engine: Engine, repeats: int, tokens: int) -> int:
    """The last line is JSON; the status is 0 where the aims are kept: step, chat, and below the unigram in the first run."""
    recipe = PRESETS["two-minutes"]
    found: dict[str, Any] = {"chat_keeps": beside_a_run(engine, recipe, repeats, Sampling(max_tokens=tokens))}
    engine.close()
    print(f"chat beside a run keeps {said(found['chat_keeps'])} of its speed", flush=True)
    found |= steps_beside_bare(recipe, repeats)
    print(f"a step takes {said(found['step'])} of a bare loop's time, {said(found['step_processor'])} of its processor time", flush=True)
    for minutes in MINUTES:
        found[f"minutes_{minutes}"] = taught(replace(recipe, max_minutes=minutes))
        print(f"{minutes} minutes: {in_words(found[f'minutes_{minutes}'])}", flush=True)
    first = found[f"minutes_{MINUTES[0]}"]
    print(json.dumps({**found, "cores": usable_cores(), "cpu": cpu_name()}))
    kept = median(found["step"]) <= 1.05 and median(found["chat_keeps"]) >= 0.6 and first["validation"] < first["unigram"]
    return 0 if kept else 1


def said(ratios: list[float]) -> str:
    """The median, and between what."""
    return f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def in_words(one: dict[str, float]) -> str:
    return (
        f"{one['step']:,} steps, {one['validation']:.3f} bits per byte; unigram {one['unigram']:.3f}, bigram {one['bigram']:.3f}, "
        f"{one['validation'] - one['bigram']:+.3f} to that one; watching took {one['watching']:.1%} of the steps' time"
    )


def taught(recipe: Recipe) -> dict[str, float]:
    """A whole run as the app makes it, in a child: its numbers, and what share of its steps' time watching took."""
    with tempfile.TemporaryDirectory() as place:
        history.begin(folder := Path(place) / "run", recipe)
        with process.begun(folder) as child:
            if child.wait():
                raise ChatError(process.last_words(folder))
        about = history.about(folder)
    result = about["result"]
    steps = result["seconds"] - result["watched"]
    return {**about["baselines"], **result, "watching": result["watched"] / steps}


def beside_a_run(engine: Engine, recipe: Recipe, repeats: int, sampling: Sampling) -> list[float]:
    """Speed of a reply beside a run, of one while that stands still; each pair one after the other."""
    ratios = []
    held = replace(recipe, max_minutes=60)
    with tempfile.TemporaryDirectory() as place, asyncio.Runner() as loop, training(Path(place) / "run", held) as child:
        for number in range(repeats):
            question = [Message("user", f"{QUESTIONS[number % len(QUESTIONS)]} ({number})")]
            beside = loop.run(reply(engine, question, sampling))
            child.send_signal(signal.SIGSTOP)
            alone = loop.run(reply(engine, question, sampling))
            child.send_signal(signal.SIGCONT)
            ratios.append(beside.rate / alone.rate)
    return ratios


@contextmanager
def training(folder: Path, recipe: Recipe) -> Iterator[subprocess.Popen]:
    """A run that has taken its first steps; ended as it is afterwards."""
    history.begin(folder, recipe)
    with process.begun(folder) as child:
        try:
            until = time.monotonic() + BEGUN
            while child.poll() is None and len(history.of_kind(folder, "loss")) < 3 and time.monotonic() < until:
                time.sleep(0.2)
            if child.poll() is not None:
                raise ChatError(process.last_words(folder))
            yield child
        finally:
            child.kill()


def steps_beside_bare(recipe: Recipe, repeats: int) -> dict[str, list[float]]:
    """{step, step_processor}: the seconds of a step of a run's Trainer by those of a bare loop, of each repeat."""
    os.environ.setdefault("OMP_WAIT_POLICY", process.PASSIVE)  # as a run has it; torch is imported below
    from chatapp.lab.train import prepare

    made, ratios = prepare.prepared(recipe, no_progress), []
    for _ in range(repeats):
        bare, ours = bare_steps(recipe, made), run_steps(recipe, made)
        ratios.append([one / other for one, other in zip(ours, bare, strict=True)])
    return dict(zip(("step", "step_processor"), map(list, zip(*ratios, strict=True)), strict=True))


@dataclass
class Clock:
    """Wall and processor seconds at the end of each step."""

    walls: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def tick(self) -> None:
        self.walls.append(time.perf_counter())
        self.processor.append(time.process_time())

    def of_a_step(self) -> tuple[float, float]:
        """The median of wall seconds, which a moment of other work does not move; the mean of the processor's."""
        walls = [after - before for before, after in zip(self.walls[WARM:], self.walls[WARM + 1 :], strict=False)]
        return median(walls), (self.processor[-1] - self.processor[WARM]) / len(walls)


def bare_steps(recipe: Recipe, made: Any) -> tuple[float, float]:
    """As PyTorch's tutorials write it: the same model, batches, loss, optimizer, and clipped gradients."""
    import torch

    from chatapp.lab.train import data, network

    model, clock, size = network.new(recipe, made.tokenizer), Clock(), recipe.arguments["per_device_train_batch_size"]
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.arguments["learning_rate"], fused=True)
    for step in range(STEPS):
        batch = data.batch([made.rows[row] for row in range(step * size, (step + 1) * size)])
        logits = model(input_ids=batch["input_ids"]).logits[:, :-1]
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["input_ids"][:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick()
    return clock.of_a_step()


def run_steps(recipe: Recipe, made: Any) -> tuple[float, float]:
    """A run's own Trainer and loss, without checkpoints and with nobody watching."""
    from transformers import PrinterCallback, TrainerCallback

    from chatapp.lab.train import data, network
    from chatapp.lab.train.learner import Learner, Losses, arguments_of

    clock = Clock()

    class Ticking(TrainerCallback):
        def on_step_end(self, *arguments: Any, **options: Any) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as folder:
        given = replace(recipe, arguments={**recipe.arguments, "save_strategy": "no"})
        learner = Learner(
            validate=dict,
            wait=print,
            model=network.new(recipe, made.tokenizer),
            args=arguments_of(given, Path(folder), STEPS),
            train_dataset=made.rows,
            data_collator=data.batch,
            compute_loss_func=Losses(made.tokenizer.pad_token_id, counts_padding=not recipe.packed),
            callbacks=[Ticking()],
        )
        learner.remove_callback(PrinterCallback)
        learner.train()
    return clock.of_a_step()
