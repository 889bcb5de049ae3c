"""transformers' Trainer, told how this project counts its loss, validates, and writes checkpoints where the disk may be full."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from chatapp.lab.train import data
from chatapp.lab.train.checkpoints import until_written
from chatapp.lab.train.data import Rows
from chatapp.lab.train.recipe import Recipe


@dataclass
class Losses:
    """Trainer's compute_loss_func. Keeps what was lost since it was read last: nats and tokens of the text, and nats per place of a row
    as the tutorial counts them, which takes padding for text.
    """

    padding: int
    counts_padding: bool
    nats: float = 0.0
    tokens: int = 0
    tutorial: float = 0.0
    batches: int = 0

    def __call__(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:
        """Nats per token that is no padding. Labels move instead of logits, which are large."""
        moved = torch.nn.functional.pad(labels, (0, 1), value=data.IGNORED)[:, 1:]
        logits = outputs["logits"].flatten(0, 1)
        real = moved != data.IGNORED
        count = int(real.sum())
        if self.counts_padding:
            total = self._both(logits, moved, real)
        else:
            total = torch.nn.functional.cross_entropy(logits.float(), moved.flatten(), reduction="sum")
        self.nats += float(total.detach())
        self.tokens += count
        self.batches += 1
        return total / (count if num_items_in_batch is None else num_items_in_batch)

    def _both(self, logits: torch.Tensor, moved: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """The sum over the text. In the tutorial the label of padding is the token that pads."""
        labels = moved.masked_fill(~real, self.padding)
        each = torch.nn.functional.cross_entropy(logits.float(), labels.flatten(), reduction="none").view_as(moved)
        self.tutorial += float(each.detach()[:, :-1].mean())
        return each[real].sum()

    def read(self) -> dict[str, float]:
        """{loss} in nats per token, {tokens}, and {tutorial_loss} where rows are padded; counted from here anew."""
        found = {"loss": self.nats / max(1, self.tokens), "tokens": self.tokens}
        if self.counts_padding:
            found["tutorial_loss"] = self.tutorial / max(1, self.batches)
        self.nats, self.tokens, self.tutorial, self.batches = 0.0, 0, 0.0, 0
        return found


class Learner(Trainer):
    """`validate` gives {loss, bits_per_byte}; `wait` is told why a checkpoint cannot be written, and ends the run by raising."""

    def __init__(self, validate: Callable[[], dict[str, float]], wait: Callable[[str], None], **options: Any) -> None:
        super().__init__(**options)
        self.validate, self.wait = validate, wait
        self.gradient = 0.0

    def evaluate(self, *args: Any, **options: Any) -> dict[str, float]:
        """Where a recipe sets eval_strategy: the same validation as everywhere else, not a mean of means of batches."""
        metrics = {f"eval_{name}": value for name, value in self.validate().items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _clip_grad_norm(self, model: torch.nn.Module) -> Any:
        norm = super()._clip_grad_norm(model)
        self.gradient = norm
        return norm

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        target = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        until_written(lambda: super(Learner, self)._save_checkpoint(model, trial), target, self.wait)


def arguments_of(recipe: Recipe, folder: Path, steps: int) -> TrainingArguments:
    """The recipe's, with what a run decides itself. Raises ValueError and what else TrainingArguments raises."""
    own = {name: value for name, value in recipe.arguments.items() if name not in ("num_train_epochs", "max_steps")}
    return TrainingArguments(
        **{
            "output_dir": str(folder),
            "max_steps": steps,
            "use_cpu": not torch.cuda.is_available(),
            "dataloader_pin_memory": torch.cuda.is_available(),
            "report_to": "none",
            "disable_tqdm": True,
            "remove_unused_columns": False,
            **own,
        }
    )


def steps_of(recipe: Recipe, rows: Rows) -> int:
    """Of the whole run, before any limit of time."""
    given = recipe.arguments
    if given.get("max_steps", -1) > 0:
        return given["max_steps"]
    size, gathered = given.get("per_device_train_batch_size", 8), given.get("gradient_accumulation_steps", 1)
    batches = len(rows) // size if given.get("dataloader_drop_last") else -(-len(rows) // size)
    return max(1, round(given.get("num_train_epochs", 3) * max(1, -(-batches // gathered))))
