"""Memory: what is free, what is taken, what a model's weights and KV cache take of it; in words a person can compare."""

import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from chatapp.errors import ChatError
from chatapp.models.shape import shape_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig

HEADROOM = 1.1
"""Weights are not all: activations, the KV cache and the runtime need a tenth more at the least."""

SHORTEST = 256
"""Tokens: a context below this is no conversation."""

USUAL = 4096
"""Tokens for which a forecast holds where --context says nothing and nothing is loaded yet."""

SHARE = 0.5
"""Of the memory beside the weights, the most that KV caches may take."""

CACHES = 2**30
"""Bytes: the most that keeps what can be computed again, and never more than a quarter of what is free. Keys and values of conversations
that have no slot take three quarters of it (PROMPTS), what a model said before each token of a reply, for X-ray, the rest (LOGITS)."""

PROMPTS, LOGITS = 0.75, 0.25

_CGROUP = Path("/sys/fs/cgroup")


def gigabytes(size: float) -> str:
    """1234567890 → '1.2 GB'; small sizes in MB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"


def weight_bytes(model: "torch.nn.Module") -> int:
    """Bytes that a resident model's parameters and buffers take; tied ones count once."""
    return sum(p.nbytes for p in model.parameters()) + sum(b.nbytes for b in model.buffers())


def kv_shape(config: "PreTrainedConfig") -> tuple[int, int]:
    """(key-value heads of a layer, width of a head)"""
    heads = config.num_attention_heads
    return getattr(config, "num_key_value_heads", None) or heads, getattr(config, "head_dim", None) or config.hidden_size // heads


def kv_bytes_per_token(config: "PreTrainedConfig", dtype: "torch.dtype") -> int:
    """Bytes of keys and values that one token takes in all layers of a model that transformers runs."""
    return shape_of(config.to_dict()).kv_numbers * dtype.itemsize


def free_bytes(device: str) -> int:
    """Bytes that may still be taken on 'cpu', 'cuda:0', …"""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    return free_memory()


def taken_bytes(device: str) -> int:
    """Bytes that this process takes: allocated on 'cuda…', elsewhere its proportional set size, in which those who share a page share it.

    Where a system does not tell that one: what no other process shares.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.memory_allocated(device)
    return process_bytes(os.getpid())


def process_bytes(pid: int) -> int:
    """Proportional set size of a process; 0 where it has ended."""
    try:
        found = psutil.Process(pid).memory_full_info()
    except psutil.Error:
        return 0
    return getattr(found, "pss", found.uss)


def give_back() -> None:
    """What this process has freed goes back to the system: glibc keeps it otherwise, for as long as something lies behind it."""
    gc.collect()
    with suppress(OSError, AttributeError):  # no glibc
        ctypes.CDLL(None).malloc_trim(0)


def free_memory() -> int:
    """Bytes of main memory this process may still take; a container's limit counts."""
    free = psutil.virtual_memory().available
    try:
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        rows = (line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        cache = sum(int(n) for name, n in rows if name in ("inactive_file", "active_file"))
        free = min(free, limit - used + cache)  # file cache counts as used there, but gives way
    except (OSError, ValueError):  # no container, or its limit is "max"
        pass
    return max(0, free)


def cache_bytes(share: float, free: int) -> int:
    """The part PROMPTS or LOGITS of the budget that all caches have together, where so many bytes are free beside the weights."""
    return int(min(CACHES, free // 4) * share)


def affordable_context(most: int, wanted: int, per_token: int, free: int, concurrency: int = 1, least: int = SHORTEST) -> int:
    """Tokens each, for `concurrency` at once: `wanted` (0: all that the model allows, `most`), cut to what SHARE of the `free` bytes hold.

    Raises ChatError with the numbers when that is less than `least`.
    """
    context = min(wanted or most, most)
    fits = int(free * SHARE) // (concurrency * max(1, per_token))
    if fits < min(context, least):
        least = min(context, least)
        raise ChatError(
            f"Memory for {least} tokens is missing: each takes {per_token:,} bytes, so the KV cache of concurrency={concurrency} needs "
            f"{gigabytes(concurrency * least * per_token)}, and {gigabytes(free * SHARE)} of the {gigabytes(free)} free beside the weights "
            "can be given. Start with a smaller --context, --concurrency or model, or close other programs.",
            status=503,
        )
    return min(context, fits)
