"""Fine-tuning from chats to an adapter's folder: read the model, measure, learn, keep, measure again."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from transformers.utils import logging

from chatapp.engines.text import end_ids
from chatapp.errors import ChatError
from chatapp.lab.finetune import adapter, card, measures
from chatapp.lab.finetune import rows as cut
from chatapp.lab.finetune.asked import HELD_OUT, Lesson, lines_of
from chatapp.lab.finetune.card import Measured, Report
from chatapp.lab.finetune.learning import learn, steps_of
from chatapp.lab.finetune.pairs import Chat
from chatapp.lab.train import history
from chatapp.lab.train.sitting import Sitting
from chatapp.models.info import context_of
from chatapp.models.loading import load, pick_device, pick_dtype
from chatapp.models.memory import weight_bytes
from chatapp.models.saving import refuse_full
from chatapp.models.trained import MERGED
from chatapp.settings import Settings
from chatapp.tasks import Cancelled, Progress
from chatapp.xray.text.which import Found

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer


@dataclass(frozen=True)
class Student:
    """A model that learns: `name` for people, `base` and `revision` for whoever loads the adapter."""

    model: Any
    tokenizer: "Tokenizer"
    name: str
    base: str
    revision: str = ""


def read(found: Found, settings: Settings, tell: Progress) -> Student:
    """From its files, in numbers that can be learned in. Raises ChatError with the numbers where it does not fit."""
    if found.encoder:
        raise ChatError(f"{found.name} is an encoder, which writes nothing, so it can learn no replies. Choose a chat model.", status=422)
    logging.disable_progress_bar()
    loaded = load(found.source, in_learnable_numbers(settings), tell)
    hub = found.source.kind == "hub"
    base, revision = (found.source.repo, loaded.info.revision) if hub else (str(loaded.folder.resolve()), "")
    return Student(loaded.model, loaded.tokenizer, found.name, base, revision)


def in_learnable_numbers(settings: Settings) -> Settings:
    """float32, or on a GPU that computes it bfloat16: float16 has too small a range for gradients. One device holds it all."""
    device = pick_device(settings)
    half = device.startswith("cuda") and str(pick_dtype(settings, device)[0]) == "torch.bfloat16"
    one = "cuda:0" if device == "cuda" else device
    return settings.model_copy(
        update={"device": one, "dtype": "bfloat16" if half else "float32", "engine": "direct", "quantization": "none"}
    )


def finetune(student: Student, chats: Sequence[Chat], lesson: Lesson, sitting: Sitting, *, merge: bool = False) -> Report:
    """The adapter in the run's folder, and where that is wanted the whole model in MERGED below it; from the run's checkpoint on.

    Raises Cancelled where it is stopped before the first step. Stopped later it keeps what was learned, measures it no more and merges
    nothing.
    """
    tokenizer, out = student.tokenizer, sitting.folder
    ends = end_ids(tokenizer, student.model.generation_config)
    rows = cut.split(chats, tokenizer, ends, context_of(student.model.config), lesson.seed)
    model = adapter.attached(student.model, lesson.rank, student.base, student.revision, lesson.seed)
    numbers = sum(one.numel() for one in adapter.trainable(model))
    measures.refuse_memory(model, [*rows.train, *rows.validation], numbers)
    refuse_full(out, 12 * numbers + (weight_bytes(model) if merge else 0))
    measure = partial(_measured, model, rows, tokenizer, ends, sitting.tell)
    _begin(sitting, student, rows, lesson, numbers)
    before = _before(sitting, measure)
    learned = learn(model, rows.train, lesson, sitting, partial(_validate, model, rows, sitting))
    if not learned.steps:
        raise Cancelled
    report = Report(out, student.name, student.base, rows, lesson, numbers, learned, before)
    sitting.until_written(partial(adapter.save, model, tokenizer, out), out / adapter.NAME)
    _write(report)
    with suppress(Cancelled):
        if learned.why != "stopped":
            report = report.with_after(measure())
            sitting.log("validation", step=learned.steps, loss=report.after.loss)
            _write(report)
            if merge:
                adapter.merge(model, tokenizer, out / MERGED, sitting.tell)
    return report


def _measured(model: Any, rows: cut.Rows, tokenizer: "Tokenizer", ends: frozenset[int], tell: Progress) -> Measured:
    model.eval()
    lost = measures.loss(model, rows.validation, tell)
    return Measured(lost, measures.replies(model, rows.validation, tokenizer, ends, rows.length, tell))


def _validate(model: Any, rows: cut.Rows, sitting: Sitting, step: int) -> None:
    """Between two steps: a wish to end it is seen, and the step it came after is kept."""
    model.eval()
    with suppress(Cancelled):
        sitting.log("validation", step=step, loss=measures.loss(model, rows.validation, sitting.tell))
    model.train()


def _begin(sitting: Sitting, student: Student, rows: cut.Rows, lesson: Lesson, numbers: int) -> None:
    """What is known of the run before its first step. A model that was merged from what it had learned before is out of date."""
    shutil.rmtree(sitting.folder / MERGED, ignore_errors=True)
    (sitting.folder / HELD_OUT).write_text(lines_of(row.chat for row in rows.validation), encoding="utf-8")
    facts = {"model": student.name, "base": student.base, "rank": lesson.rank, "numbers": numbers, "rows": rows.facts}
    history.update(sitting.folder, total_steps=steps_of(rows.train, lesson), **facts)


def _before(sitting: Sitting, measure: Callable[[], Measured]) -> Measured:
    """Measured once, also of a run that was stopped."""
    if known := history.written(sitting.folder).get("before"):
        return Measured(**known)
    found = measure()
    history.update(sitting.folder, before=vars(found))
    sitting.log("validation", step=0, loss=found.loss)
    return found


def _write(report: Report) -> None:
    """README.md, in the place of peft's own, and the same in run.json."""
    (report.folder / "README.md").write_text(card.readme(report), encoding="utf-8")
    history.update(report.folder, result=card.plain(report))
