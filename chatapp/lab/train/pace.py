"""How long a step takes on this machine, and what memory it needs: three steps of a copy of the model, in a plain loop."""

import resource
import sys
import time
from dataclasses import dataclass

import torch

from chatapp.lab.train import data, network
from chatapp.lab.train.learner import Losses
from chatapp.lab.train.prepare import Prepared
from chatapp.lab.train.recipe import Recipe

STEPS = 3


@dataclass(frozen=True)
class Pace:
    """Of one optimizer step, and the most bytes that this process had."""

    seconds: float
    memory: int


def measured(recipe: Recipe, made: Prepared) -> Pace:
    """The median of STEPS after one that warms up; the run's own weights and random numbers are not touched."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng():
        model = network.new(recipe, made.tokenizer).to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
        losses = Losses(made.tokenizer.pad_token_id, counts_padding=not recipe.packed)
        times = sorted([step(recipe, made, model, optimizer, losses, number) for number in range(STEPS + 1)][1:])
    return Pace(times[len(times) // 2], peak_bytes())


def step(recipe: Recipe, made: Prepared, model: torch.nn.Module, optimizer: torch.optim.Optimizer, losses: Losses, number: int) -> float:
    """Seconds of one: all batches that are gathered for it, forwards and backwards, then the optimizer."""
    size = recipe.arguments.get("per_device_train_batch_size", 8)
    began = time.monotonic()
    for part in range(recipe.arguments.get("gradient_accumulation_steps", 1)):
        first = (number + part) * size % max(1, len(made.rows) - size)
        batch = data.batch([made.rows[row] for row in range(first, min(first + size, len(made.rows)))])
        labels = batch.pop("labels").to(model.device)
        losses(model(**{name: value.to(model.device) for name, value in batch.items()}), labels).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    model.zero_grad()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.monotonic() - began


def peak_bytes() -> int:
    """The most memory that this process had so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
