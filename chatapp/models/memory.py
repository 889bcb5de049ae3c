"""How many bytes a model needs and how many are free, in words a person can compare."""

from pathlib import Path

HEADROOM = 1.1
"""Weights are not all: activations, the KV cache and the runtime need a tenth more at the least."""

_CGROUP = Path("/sys/fs/cgroup")


def gigabytes(size: float) -> str:
    """1234567890 → '1.2 GB'; small sizes in MB."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"


def free_memory() -> int:
    """Bytes of main memory this process may still take; a container's limit counts."""
    import psutil

    free = psutil.virtual_memory().available
    try:
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        rows = (line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        cache = sum(int(n) for name, n in rows if name in ("inactive_file", "active_file"))
        free = min(free, limit - used + cache)  # file cache counts as used there, but gives way
    except (OSError, ValueError):  # no container, or its limit is "max"
        pass
    return max(0, free)
