"""Steps of AdamW over the adapter's numbers: the loss is the mean over a step's reply tokens, the rate rises and falls to 0."""

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from chatapp.errors import ChatError
from chatapp.lab.finetune.adapter import trainable
from chatapp.lab.finetune.asked import Lesson
from chatapp.lab.finetune.kept import Kept
from chatapp.lab.finetune.rows import IGNORED, Row
from chatapp.lab.train.sitting import Sitting

BATCH = 4
"""Chats of a step."""

AT_ONCE = 1024
"""Tokens, padding among them, that go through the model at once: a step of longer chats is summed up in parts."""

WARM_UP = 0.1
"""Of all steps."""

CLIP = 1.0

WATCHED = 5
"""Parts of a run between which what is held out is measured."""


@dataclass(frozen=True)
class Learned:
    """`why` it ended: 'done', 'time' or 'stopped'; `loss` of its last step."""

    steps: int
    total: int
    seconds: float
    why: str
    loss: float = math.nan


def nats(model: Any, rows: Sequence[Row]) -> torch.Tensor:
    """The sum of the loss over all learned tokens of some chats, which go through the model together."""
    width = max(len(row.ids) for row in rows)
    ids, labels, mask = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    for n, row in enumerate(rows):
        ids[n, : len(row.ids)] = torch.tensor(row.ids)
        labels[n] = IGNORED
        labels[n, : len(row.ids)] = torch.tensor(row.labels)
        mask[n, : len(row.ids)] = 1
    logits = model(input_ids=ids.to(model.device), attention_mask=mask.to(model.device), use_cache=False).logits
    moved = labels[:, 1:].to(logits.device)
    real = moved != IGNORED
    return torch.nn.functional.cross_entropy(logits[:, :-1][real].float(), moved[real], reduction="sum")


def together(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Parts that hold AT_ONCE tokens at most when they are padded, or one chat; those of like length beside each other."""
    part: list[Row] = []
    for row in sorted(rows, key=lambda row: len(row.ids)):
        if part and (len(part) + 1) * len(row.ids) > AT_ONCE:
            yield part
            part = []
        part.append(row)
    yield part


def learn(model: Any, rows: Sequence[Row], lesson: Lesson, sitting: Sitting, validate: Callable[[int], None]) -> Learned:
    """All epochs, or until the minutes are over or somebody stops it, within a step; it goes on from the run's checkpoint, if any.

    `validate` is called after some of the steps. Raises ChatError where the loss is no number.
    """
    parameters = trainable(model)
    optimizer = torch.optim.AdamW(parameters, lr=lesson.learning_rate, weight_decay=0.0)
    kept, total = Kept(sitting, model, optimizer), steps_of(rows, lesson)
    step, before = kept.restored()
    began, why, loss = time.monotonic() - before, "done", math.nan
    model.train()
    for batch in islice(_batches(rows, lesson), step, None):
        gone = (time.monotonic() - began) / 60
        if sitting.stopped or gone > lesson.minutes:
            why = "stopped" if sitting.stopped else "time"
            break
        rate = lesson.learning_rate * _share(step / total, gone / lesson.minutes, (step + 1) / max(1, round(WARM_UP * total)))
        loss = take_step(model, batch, optimizer, parameters, rate)
        step += 1
        if not math.isfinite(loss):
            raise ChatError(f"The loss is no number any more at step {step:,}: nothing is kept. Give a lower learning rate.")
        seconds = time.monotonic() - began
        _say(sitting, step, total, loss, rate, seconds, _left(seconds, step, total, lesson.minutes))
        if step in watched(total):
            validate(step)
        kept.after(step, seconds)
    model.eval()
    if step:
        kept.save(step, time.monotonic() - began)
    return Learned(step, total, time.monotonic() - began, why, loss)


def _say(sitting: Sitting, step: int, total: int, loss: float, rate: float, seconds: float, left: float) -> None:
    sitting.log("loss", step=step, loss=loss, learning_rate=rate, seconds=round(seconds, 2), seconds_left=round(left, 1))
    sitting.say(f"Step {step:,} of {total:,}: loss {loss:.3f}, {left / 60:.1f} minutes left", step / total)


def steps_of(rows: Sequence[Row], lesson: Lesson) -> int:
    """Of all epochs."""
    return lesson.epochs * -(-len(rows) // BATCH)


def watched(total: int) -> set[int]:
    """Steps after which what is held out is measured; before the first and after the last it is in any case."""
    return {round(total * number / WATCHED) for number in range(1, WATCHED)} - {0, total}


def _batches(rows: Sequence[Row], lesson: Lesson) -> Iterator[list[Row]]:
    """Each epoch in an order of its own."""
    order = random.Random(lesson.seed)
    for _ in range(lesson.epochs):
        mixed = order.sample(rows, len(rows))
        yield from (mixed[n : n + BATCH] for n in range(0, len(mixed), BATCH))


def _share(steps: float, minutes: float, warm: float) -> float:
    """Of the learning rate: it has fallen to 0 when the steps, or the minutes, are over."""
    return min(1.0, warm) * (1 - min(1.0, max(steps, minutes)))


def _left(seconds: float, step: int, total: int, minutes: float) -> float:
    """Seconds."""
    return max(0.0, min(seconds / step * (total - step), minutes * 60 - seconds))


def take_step(model: Any, batch: Sequence[Row], optimizer: torch.optim.Optimizer, parameters: list[Any], rate: float) -> float:
    """One, and its loss in nats per learned token."""
    count, lost = sum(row.learned for row in batch), 0.0
    for part in together(batch):
        loss = nats(model, part) / count
        loss.backward()
        lost += float(loss.detach())
    torch.nn.utils.clip_grad_norm_(parameters, CLIP)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad()
    return lost
