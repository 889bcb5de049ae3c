"""What a model takes before it is loaded: weights, and the KV cache of people × context, beside the memory that is free."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models.memory import free_memory, gigabytes

if TYPE_CHECKING:
    import torch

SHORTEST = 256
"""Tokens: a context below this is no conversation."""

SHARE = 0.5
"""Of the memory beside the weights, the most that KV caches may take."""


@dataclass(frozen=True)
class Forecast:
    """Bytes of the weights and of one token's keys and values; `people` with `context` tokens each; bytes free before the loading."""

    weights: int
    per_token: int
    people: int
    context: int
    free: int

    @property
    def cache(self) -> int:
        return self.per_token * self.people * self.context

    def __str__(self) -> str:
        """For the start-up card and the page."""
        who = f"{self.people} × {self.context:,} tokens" if self.people > 1 else f"{self.context:,} tokens"
        return f"{gigabytes(self.weights)} weights + {gigabytes(self.cache)} KV cache ({who}) of {gigabytes(self.free)} free"


def weight_bytes(model: "torch.nn.Module") -> int:
    """Bytes that a resident model's parameters and buffers take; tied ones count once."""
    return sum(p.nbytes for p in model.parameters()) + sum(b.nbytes for b in model.buffers())


def free_bytes(device: str) -> int:
    """Bytes that may still be taken on 'cpu', 'cuda:0', …"""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    return free_memory()


def affordable_context(most: int, wanted: int, per_token: int, free: int, people: int = 1, least: int = SHORTEST) -> int:
    """Tokens for each of `people`: `wanted` (0: as many as the model allows, `most`), cut to what SHARE of the `free` bytes hold.

    Raises ChatError with the numbers when that is less than `least`.
    """
    context = min(wanted or most, most)
    fits = int(free * SHARE) // (people * max(1, per_token))
    if fits < min(context, least):
        least = min(context, least)
        raise ChatError(
            f"Memory for {least} tokens is missing: each takes {per_token:,} bytes, so the KV cache of people={people} needs "
            f"{gigabytes(people * least * per_token)}, and {gigabytes(free * SHARE)} of the {gigabytes(free)} free beside the weights can "
            "be given. Start with a smaller --context, fewer --people or a smaller model, or close other programs.",
            status=503,
        )
    return min(context, fits)
