"""What a fine-tuning would take, measured before it begins: tokens, steps, minutes, memory, disk; and a chat as the model reads it."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from chatapp.lab.finetune import asked
from chatapp.lab.finetune.asked import Lesson, Tuning
from chatapp.lab.train import history
from chatapp.lab.train.plan import measured
from chatapp.tasks import Step

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

    from chatapp.lab.finetune.rows import Row

STEPS = 3
"""That are measured, after one that warms up."""

LOOK = 400
"""Tokens of a chat that are shown."""


async def planned(wanted: Tuning, home: Path) -> AsyncIterator[Step | dict[str, Any]]:
    """What is being done, then the plan. Reading no further ends the child. Raises ChatError for what would end the run."""
    async with aclosing(measured(wanted.files(), home)) as lines:
        async for line in lines:
            yield line


def measured_plan(folder: Path) -> dict[str, Any]:
    """In the child: prepares all that a run does, takes some steps, and counts."""
    from chatapp.engines.text import end_ids
    from chatapp.lab.finetune import adapter, card, measures
    from chatapp.lab.finetune.learning import BATCH, steps_of
    from chatapp.lab.finetune.rows import split
    from chatapp.lab.finetune.training import read
    from chatapp.models.info import context_of
    from chatapp.models.memory import weight_bytes
    from chatapp.xray.text.which import located

    tell, wanted = partial(history.tell, folder), asked.read(folder)
    student, lesson = read(located(wanted.settings), wanted.settings, tell), wanted.lesson
    tell("Reading the chats", None)
    ends = end_ids(student.tokenizer, student.model.generation_config)
    rows = split(wanted.chats, student.tokenizer, ends, context_of(student.model.config), lesson.seed)
    model = adapter.attached(student.model, lesson.rank, student.base, student.revision, lesson.seed)
    numbers, weights = sum(one.numel() for one in adapter.trainable(model)), weight_bytes(model)
    measures.refuse_memory(model, [*rows.train, *rows.validation], numbers)
    tell(f"Measuring {STEPS} steps", None)
    steps, seconds = steps_of(rows.train, lesson), per_step(model, rows.train, lesson)
    return {
        "model": student.name,
        "rank": lesson.rank,
        "numbers": numbers,
        "rows": rows.facts,
        "steps": min(steps, max(1, int(lesson.minutes * 60 / seconds))) if lesson.minutes * 60 < steps * seconds else steps,
        "steps_of_all_epochs": steps,
        "seconds_per_step": seconds,
        "batch": BATCH,
        "minutes": min(steps * seconds / 60, lesson.minutes),
        "memory": weights + measures.needed(model, [*rows.train, *rows.validation], numbers),
        "disk": 12 * numbers + (weights if wanted.merge else 0),
        "notes": card.notes_of(rows),
        "look": look(rows.train[0], student.tokenizer),
    }


def per_step(model: Any, rows: Sequence["Row"], lesson: Lesson) -> float:
    """Seconds of a step: the median of some over evenly chosen chats. What they learn is thrown away with the process."""
    import torch

    from chatapp.lab.finetune.adapter import trainable
    from chatapp.lab.finetune.learning import BATCH, take_step

    model.train()
    parameters, seconds = trainable(model), []
    optimizer = torch.optim.AdamW(parameters, lr=lesson.learning_rate)
    for number in range(STEPS + 1):
        began = time.monotonic()
        take_step(model, rows[number :: max(1, len(rows) // BATCH)][:BATCH], optimizer, parameters, lesson.learning_rate)
        seconds.append(time.monotonic() - began)
    return median(seconds[1:])


def look(row: "Row", tokenizer: "Tokenizer") -> list[dict[str, Any]]:
    """{id, text, learned} of each token, as far as a person looks."""
    from chatapp.lab.finetune.rows import IGNORED

    pairs = zip(row.ids, row.labels, strict=True)
    return [{"id": id, "text": tokenizer.decode([id]), "learned": label != IGNORED} for id, label in pairs][:LOOK]
