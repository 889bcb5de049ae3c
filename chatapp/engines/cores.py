"""How many CPU cores this process may really use: a container's share, not the machine's number."""

import os
from pathlib import Path

ROOT = Path("/")


def usable_cores(root: Path = ROOT) -> int:
    """Cores by affinity, cut to the cgroup's CPU quota (rounded up), at least 1. `root` stands in for / in tests."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(root)
    return max(1, affinity if quota is None else min(affinity, -int(-quota // 1)))


def _quota(root: Path) -> float | None:
    """Cores granted by cgroup v2 or v1, the tightest of the process's own group and those above it. None without a limit."""
    group = _own_group(root)
    folders = [root / "sys/fs/cgroup" / Path(*group.parts[:n]) for n in range(len(group.parts) + 1)]
    found = [q for folder in folders if (q := _quota_v2(folder)) is not None]
    if (v1 := _quota_v1(root / "sys/fs/cgroup/cpu")) is not None:
        found.append(v1)
    return min(found) if found else None


def _own_group(root: Path) -> Path:
    for line in _read(root / "proc/self/cgroup").splitlines():
        if line.startswith("0::/"):
            return Path(line.removeprefix("0::/"))
    return Path()


def _quota_v2(folder: Path) -> float | None:
    limit, _, period = _read(folder / "cpu.max").partition(" ")
    return float(limit) / float(period) if limit.isdigit() and period.strip().isdigit() else None


def _quota_v1(folder: Path) -> float | None:
    limit, period = _read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()
    return int(limit) / int(period) if limit.isdigit() and period.isdigit() and int(limit) > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
