"""What a recipe asks for beyond the machine or its corpus: refused with the numbers, before weights or a step are made of it."""

from typing import TYPE_CHECKING

from chatapp.engines import device_type
from chatapp.errors import ChatError
from chatapp.lab.train import network
from chatapp.lab.train.recipe import FALLBACK, Recipe
from chatapp.models.memory import free_bytes, gigabytes
from chatapp.settings import Settings

if TYPE_CHECKING:
    from chatapp.lab.train.prepare import Prepared

FLOAT = 4
"""Bytes of a number: everything is trained in float32."""

OF_A_WEIGHT = 4 * FLOAT
"""Itself, its gradient, and two of AdamW."""

USUAL = 8
"""Rows of a batch, where the recipe says nothing else: a corpus that has fewer is read all at once."""

MOST_STEPS = 10_000_000
"""A step of the smallest model takes milliseconds: more are years."""


def refuse(recipe: Recipe, made: "Prepared") -> None:
    """All of it, once the corpus is read. Raises ChatError."""
    from chatapp.lab.train.learner import steps_of  # imports PyTorch

    refuse_rows(recipe, len(made.rows))
    refuse_memory(recipe, len(made.tokenizer))
    refuse_steps(steps_of(recipe, made.rows), recipe.max_minutes)


def refuse_memory(recipe: Recipe, entries: int = 0) -> None:
    """Raises ChatError where weights or one step do not fit into what is free now. `entries` of the vocabulary, where they are known.

    Of a row's token are kept: three rows of logits, and for each layer some 34 widths and a row of attention for each head.
    """
    entries = entries or (recipe.tokenizer if isinstance(recipe.tokenizer, int) else FALLBACK)
    width, layers, heads = (recipe.model[name] for name in ("n_embd", "n_layer", "n_head"))
    weights, free = OF_A_WEIGHT * network.parameters(recipe, entries)["all"], free_bytes(device_type(Settings()))
    if weights > free:
        raise ChatError(
            f"A model of n_embd {width}, n_layer {layers} needs {gigabytes(weights)} while it learns, and {gigabytes(free)} are free. "
            "Take a smaller one.",
            status=422,
        )
    batch = recipe.arguments.get("per_device_train_batch_size", USUAL)
    row = FLOAT * recipe.max_length * (3 * entries + layers * (34 * width + heads * recipe.max_length))
    if batch * row > free - weights:
        raise ChatError(
            f"A batch of {batch:,} rows of {recipe.max_length:,} tokens needs about {gigabytes(batch * row)}, and "
            f"{gigabytes(free - weights)} are free beside the weights. Take at most {max(1, int((free - weights) / row)):,}.",
            status=422,
        )


def refuse_rows(recipe: Recipe, rows: int) -> None:
    """Raises ChatError for a step of more rows than the corpus has, of which the surplus would never come."""
    batch, parts = recipe.arguments.get("per_device_train_batch_size", USUAL), recipe.arguments.get("gradient_accumulation_steps", 1)
    if batch * parts > max(rows, USUAL):
        of = f"{batch:,}" if parts == 1 else f"{batch:,} × {parts:,}"
        raise ChatError(
            f"A step of {of} rows is more than the corpus has, which is {rows:,} rows of {recipe.max_length:,} tokens. Take a smaller "
            "batch, or more text.",
            status=422,
        )


def refuse_steps(steps: int, minutes: float) -> None:
    """Raises ChatError for a run that would never end."""
    if steps > MOST_STEPS and not minutes:
        raise ChatError(
            f"That makes {steps:,} steps, more than {MOST_STEPS:,}. Take fewer epochs or steps, or a limit of minutes.", status=422
        )
