"""Free memory of the device a model is on, and how long a conversation it allows."""

from chatapp.errors import ChatError
from chatapp.models.memory import free_memory, gigabytes

SHORTEST = 256
"""Tokens: a context below this is no conversation."""


def free_bytes(device: str) -> int:
    """Bytes that may still be taken on 'cpu', 'cuda:0', …"""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    return free_memory()


def affordable_context(most: int, wanted: int, per_token: int, free: int) -> int:
    """Tokens of context: `wanted` (0: as many as the model allows, `most`), cut to what half of the `free` bytes hold.

    Raises ChatError with the numbers when memory allows no conversation.
    """
    context = min(wanted or most, most)
    fits = free // 2 // max(1, per_token)
    if fits < min(context, SHORTEST):
        raise ChatError(
            f"Memory for {SHORTEST} tokens is missing: each takes {per_token:,} bytes and {gigabytes(free)} are free. "
            "Choose a smaller model, or close other programs.",
            status=503,
        )
    return min(context, fits)
