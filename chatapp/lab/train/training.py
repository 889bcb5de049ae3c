"""A run from its recipe to its model folder, in this process; `child.py` is this in a process of its own."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback
from transformers.utils import logging

from chatapp.errors import ChatError
from chatapp.lab.train import bits, card, checkpoints, data, history, limits, network, prepare, recipe
from chatapp.lab.train.learner import Learner, Losses, arguments_of, steps_of
from chatapp.lab.train.pace import measured
from chatapp.lab.train.prepare import Prepared
from chatapp.lab.train.recipe import Recipe
from chatapp.lab.train.recorder import Recorder
from chatapp.lab.train.sitting import Sitting, sat
from chatapp.tasks import Progress

WHILE_LEARNING = 1024
"""Tokens of the validation text that are read while a run goes on, as much work as a third of a step; its end reads all of it."""

RESERVE = 0.95
"""Of the minutes, for steps; the others are for snapshots, checkpoints and validation. What is done before and after is beside them."""


@dataclass
class Run(Sitting):
    """One that trains."""

    recipe: Recipe
    made: Prepared
    model: Any
    ends_at: float = float("inf")

    def validate(self) -> dict[str, float]:
        """Windows evenly from all of the validation text, the same each time."""
        rows = torch.from_numpy(windows_of(self.made.validation, self.recipe.max_length).astype("int64")).to(self.model.device)
        self.model.eval()
        with torch.inference_mode():
            logits = self.model(input_ids=rows, use_cache=False).logits[:, :-1]
            loss = float(torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten()))
        self.model.train()
        return {"loss": loss, "bits_per_byte": loss / bits.LN2 / self.made.bytes_per_token}

    def validated(self, step: int) -> None:
        """One line of validation; random numbers of the training stay where they were."""
        with torch.random.fork_rng(), one_thread():
            self.log("validation", step=step, **self.validate())

    def kept(self, step: int) -> None:
        """A snapshot, from which everything else about this step is read when somebody looks at it."""
        name = f"{history.SNAPSHOTS}/step-{step:06d}"
        self.until_written(partial(network.save_whole, self.model, self.made.tokenizer, self.folder / name), self.folder / name)
        self.log("snapshot", step=step, folder=name)


def windows_of(ids: np.ndarray, length: int) -> np.ndarray:
    """(windows, length): about WHILE_LEARNING ids from evenly all of them; all in one where there are fewer than `length`."""
    length = min(length, len(ids))
    count = max(1, min(WHILE_LEARNING, len(ids)) // length)
    begins = np.linspace(0, len(ids) - length, count).astype(int)
    return ids[begins[:, None] + np.arange(length)]


@contextmanager
def one_thread() -> Iterator[None]:
    """For small sums: beside other work several threads wait for one another longer than they compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(folder: Path, tell: Progress, *, minutes: float = 0) -> dict[str, Any]:
    """The run in `folder`, from where it is to its end; what run.json says then. Raises ChatError, which run.json says too.

    minutes  a limit of steps for this sitting, beside the recipe's own
    """
    return sat(folder, lambda: _trained(folder, tell, minutes))


def _trained(folder: Path, say: Progress, minutes: float) -> dict[str, Any]:
    logging.disable_progress_bar()
    asked = recipe.parse((folder / history.RECIPE).read_bytes(), folder)
    made = _made(folder, asked, Sitting(folder, say).tell)
    limits.refuse(asked, made)
    limit = min(value for value in (asked.max_minutes or float("inf"), minutes or float("inf")))
    run = Run(folder, say, asked, made, network.new(asked, made.tokenizer))
    total = history.written(folder).get("total_steps") or _total(run, limit * 60)
    run.ends_at = time.monotonic() + limit * 60
    history.update(folder, total_steps=total)
    last, damaged = checkpoints.newest_whole(folder)
    for place in damaged:
        history.append(folder, "note", words=f"{place.name} was not whole: it was written when the run was cut. It is skipped.")
        shutil.rmtree(place, ignore_errors=True)
    return _steps(run, total, last)


def _made(folder: Path, asked: Recipe, tell: Progress) -> Prepared:
    facts = history.written(folder)
    if found := prepare.kept(folder, facts):
        return found
    made = prepare.prepared(asked, tell)
    prepare.keep(folder, made)
    history.update(folder, **made.facts)
    for note in made.facts["notes"]:
        history.append(folder, "note", words=note)
    return made


def _total(run: Run, limit: float) -> int:
    """Steps of the run: those of its epochs, or those that its seconds hold at the speed that is measured now."""
    wanted = steps_of(run.recipe, run.made.rows)
    if limit == float("inf"):
        return wanted
    run.tell("Measuring a step", None)
    step = measured(run.recipe, run.made).seconds
    if (fit := int(limit * RESERVE / step)) < 1:
        raise ChatError(f"Not one step of {step:.1f} s fits into {limit / 60:g} minutes. Give more of them, or a smaller model.")
    if fit < wanted:
        run.log("note", words=f"The minutes hold {fit:,} of {wanted:,} steps: the learning rate falls to its end within them.")
    return min(wanted, fit)


def _steps(run: Run, total: int, last: Path | None) -> dict[str, Any]:
    losses = Losses(run.made.tokenizer.pad_token_id, counts_padding=not run.recipe.packed)
    try:
        arguments = arguments_of(run.recipe, run.folder, total)
    except (ValueError, TypeError, ImportError, KeyError) as error:
        raise ChatError(f"The recipe's arguments are refused by transformers: {str(error).splitlines()[0]}", status=422) from error
    written = {"keep": run.kept, "validate": run.validated, "log": run.log, "tell": run.say}
    recorder = Recorder(
        run.folder, losses, total, run.made.bytes_per_token, **written, ends_at=run.ends_at, gradient=lambda: learner.gradient
    )
    learner = Learner(
        run.validate,
        run.wait,
        model=run.model,
        args=arguments,
        train_dataset=run.made.rows,
        eval_dataset=run.made.rows,
        data_collator=data.batch,
        compute_loss_func=losses,
        callbacks=[recorder],
    )
    learner.remove_callback(PrinterCallback)
    began = time.monotonic()
    learner.train(resume_from_checkpoint=str(last) if last else None)
    return _ended(run, learner.state.global_step, recorder, time.monotonic() - began)


def _ended(run: Run, step: int, recorder: Recorder, seconds: float) -> dict[str, Any]:
    """The model folder, also of a run that was stopped; numbers on the whole validation and test text of one that was not."""
    done = recorder.stopped != "stop"
    facts = history.written(run.folder)
    result = {"step": step, "seconds": round(seconds + facts.get("result", {}).get("seconds", 0), 1), "watched": round(recorder.watched, 2)}
    if done:
        result |= _measured(run)
    if recorder.stopped == "time":
        words = f"The minutes ended at step {step:,} of {recorder.total:,}: this is the model as it was then."
        run.log("note", words=words)
    words = card.written(run.recipe, facts | {"result": result, "total_steps": recorder.total})
    run.until_written(partial(_write_model, run, words), run.folder / checkpoints.WEIGHTS)
    history.update(run.folder, state="done" if done else "stopped", result=result, ended=time.time())
    return history.written(run.folder)


def _write_model(run: Run, words: str) -> None:
    network.save(run.model, run.made.tokenizer, run.folder)
    (run.folder / "README.md").write_text(words, encoding="utf-8")


def _measured(run: Run) -> dict[str, float]:
    """{validation, test} in bits per byte: each token with at least half a window before it."""
    run.model.eval()
    length, found = run.recipe.max_length, {}
    for name, ids in (("validation", run.made.validation), ("test", run.made.test)):
        words = f"Measuring the model on the whole {name} text"
        total = bits.nats(run.model, ids, length, max(1, length // 2), partial(run.tell, words))
        found[name] = bits.per_byte(total, run.made.bytes_of(name))
    return found
