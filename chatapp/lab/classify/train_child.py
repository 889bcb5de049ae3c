"""A classifier trained in a process of its own, behind everything else: `python -m chatapp.lab.classify.train_child LESSON.json OUT`.

Its progress and its end are lines of JSON on its output: {words, share}, then {done} or {error}.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.lab.child import die_with_parent, say
from chatapp.lab.classify.card import TrainedHere, write_card
from chatapp.lab.classify.head import read
from chatapp.lab.classify.lesson import Lesson
from chatapp.lab.classify.measures import measure
from chatapp.lab.classify.minilm import NAME, unpacked
from chatapp.models.failures import Reading, first_line
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

BEHIND = 10
"""Added to its niceness: whoever is being answered comes first."""

EVALUATED = 64
UNWRITTEN = "The model cannot be written: {} Free some space on the disk, or choose another folder."


def main() -> None:
    die_with_parent()
    os.nice(BEHIND)
    try:
        found = fit(Lesson.read(Path(sys.argv[1])), Path(sys.argv[2]), lambda words, share: say(words=words, share=share))
        say(done=found.words)
    except ChatError as error:
        say(error=str(error))
    except OSError as error:  # of the card, or of a library's own files
        say(error=UNWRITTEN.format(first_line(error)))


def fit(lesson: Lesson, out: Path, progress: Progress) -> TrainedHere:
    """Train on the lesson, measure on what it holds out, and write the model with its card into the folder `out`."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    transformers.set_seed(lesson.seed)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as work, Reading(f"{lesson.name} was not trained: "):
        progress("Reading the encoder", 0.0)
        base = Path(lesson.base) if lesson.base else unpacked(Path(work) / "base")
        model, tokenizer = parts(base, lesson)
        trainer_of(model, tokenizer, lesson, work, progress).train()
        progress("Writing the model", 0.97)
        write(model, tokenizer, out)
    return measured(lesson, out, time.monotonic() - began, progress)


def write(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", out: Path) -> None:
    """Raises ChatError on a full disk; safetensors has an exception of its own for that."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(out)
        tokenizer.save_pretrained(out)
    except (OSError, SafetensorError) as error:
        raise ChatError(UNWRITTEN.format(first_line(error))) from error


def parts(base: Path, lesson: Lesson) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """The encoder with a new head, in float32, and its tokenizer."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    names = {"id2label": dict(enumerate(lesson.labels)), "label2id": {label: n for n, label in enumerate(lesson.labels)}}
    given = {"dtype": torch.float32, "use_safetensors": True, "trust_remote_code": False}
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(lesson.labels), **names, **given)
    if lesson.frozen:
        model.get_input_embeddings().requires_grad_(False)
    return model, AutoTokenizer.from_pretrained(base, trust_remote_code=False)


def trainer_of(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", lesson: Lesson, work: str, progress: Progress) -> "Trainer":
    """transformers' own Trainer; texts of one length go together, which saves a third of the padding."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    arguments = TrainingArguments(
        output_dir=work,
        num_train_epochs=lesson.epochs,
        per_device_train_batch_size=lesson.batch,
        learning_rate=lesson.learning_rate,
        warmup_steps=0.1,
        train_sampling_strategy="group_by_length",
        save_strategy="no",
        logging_steps=10,
        report_to=[],
        use_cpu=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        seed=lesson.seed,
    )
    cut = tokenizer([text for text, _ in lesson.train], truncation=True, max_length=lesson.longest)["input_ids"]
    rows = [{"input_ids": ids, "labels": label} for ids, (_, label) in zip(cut, lesson.train, strict=True)]
    collator = DataCollatorWithPadding(tokenizer)
    return Trainer(model, arguments, train_dataset=rows, data_collator=collator, callbacks=[telling(progress)])


def telling(progress: Progress) -> Any:
    """A callback that says after each step how far it is, and how long it will take."""
    from transformers import TrainerCallback

    class Telling(TrainerCallback):
        began = 0.0

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.began = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            left = (time.monotonic() - self.began) / state.global_step * (state.max_steps - state.global_step)
            losses = [line["loss"] for line in state.log_history if "loss" in line]
            loss = f", loss {losses[-1]:.2f}" if losses else ""
            words = f"Step {state.global_step} of {state.max_steps}{loss}, about {in_words(left)} left"
            progress(words, 0.02 + 0.9 * state.global_step / state.max_steps)

    return Telling()


def in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def measured(lesson: Lesson, out: Path, seconds: float, progress: Progress) -> TrainedHere:
    """The folder read anew, as whoever uses it will, and the held-out texts through it; its card is written."""
    classifier = read(out, out.name)
    texts, truth = zip(*lesson.held_out, strict=True)
    logits: list[list[float]] = []
    for at in range(0, len(texts), EVALUATED):
        progress(f"Measuring on {len(texts):,} held-out texts", 0.97 + 0.03 * at / len(texts))
        logits += classifier.logits([classifier.cut(text).read for text in texts[at : at + EVALUATED]])
    found = measure(truth, [max(range(len(row)), key=row.__getitem__) for row in logits], lesson.labels)
    numbers = {name: found[name] for name in ("accuracy", "low", "high", "guessing")}
    counts = {"trained": len(lesson.train), "held_out": len(texts)}
    base = Path(lesson.base).name or NAME
    card = TrainedHere(base, lesson.corpus, lesson.rule, **counts, **numbers, seconds=round(seconds, 1), seed=lesson.seed)
    write_card(out, card, lesson.labels)
    return card


if __name__ == "__main__":
    main()
