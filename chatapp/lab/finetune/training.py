"""Fine-tuning from chats to an adapter's folder: read the model, measure, learn, keep, measure again."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.utils import logging

from chatapp.engines.text import end_ids
from chatapp.errors import ChatError
from chatapp.lab.finetune import adapter, card, measures
from chatapp.lab.finetune import rows as cut
from chatapp.lab.finetune.card import Measured, Report
from chatapp.lab.finetune.learning import Lesson, learn
from chatapp.lab.finetune.pairs import Chat
from chatapp.lab.train import history
from chatapp.models.info import context_of
from chatapp.models.loading import load, pick_device, pick_dtype
from chatapp.models.memory import weight_bytes
from chatapp.models.saving import refuse
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


def finetune(
    student: Student,
    chats: Sequence[Chat],
    lesson: Lesson,
    out: Path,
    tell: Progress,
    stopped: Callable[[], bool],
    merged: Path | None = None,
) -> Report:
    """The adapter in `out`, and where it is named the whole model in `merged`. Raises Cancelled where it is stopped before the first step.

    Stopped later it keeps what was learned, measures it no more and merges nothing.
    """
    tokenizer = student.tokenizer
    ends = end_ids(tokenizer, student.model.generation_config)
    rows = cut.split(chats, tokenizer, ends, context_of(student.model.config), lesson.seed)
    model = adapter.attached(student.model, lesson.rank, student.base, student.revision, lesson.seed)
    numbers = sum(one.numel() for one in adapter.trainable(model))
    measures.refuse_memory(model, [*rows.train, *rows.validation], numbers)
    refuse(out, 4 * numbers + (weight_bytes(model) if merged else 0))
    measure = partial(_measured, model, rows, tokenizer, ends, tell)
    before = measure()
    _begin(out)
    log = partial(history.append, out)
    log("validation", step=0, loss=before.loss)
    learned = learn(model, rows.train, lesson, stopped, tell, log)
    if not learned.steps:
        shutil.rmtree(out)
        raise Cancelled
    report = Report(out, student.name, student.base, rows, lesson, numbers, learned, before)
    adapter.save(model, tokenizer, out)
    _write(report)
    with suppress(Cancelled):
        if learned.why != "stopped":
            report = report.with_after(measure())
            log("validation", step=learned.steps, loss=report.after.loss)
            _write(report)
            if merged:
                adapter.merge(model, tokenizer, merged, tell)
    return report


def _measured(model: Any, rows: cut.Rows, tokenizer: "Tokenizer", ends: frozenset[int], tell: Progress) -> Measured:
    model.eval()
    lost = measures.loss(model, rows.validation, tell)
    return Measured(lost, measures.replies(model, rows.validation, tokenizer, ends, rows.length, tell))


def _begin(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ChatError(f"{out} cannot be made: {error.strerror or error}. Give another --out.") from error


def _write(report: Report) -> None:
    """README.md, in the place of peft's own."""
    (report.folder / "README.md").write_text(card.readme(report), encoding="utf-8")
