"""How fast something of a known size comes: what is there, the speed of the last seconds, the time left, in words."""

import time
from collections import deque
from collections.abc import Callable

from chatapp.models.memory import gigabytes

RECENT = 8.0
"""Seconds over which the speed is taken."""

NOTHING_MISSING = "Looking at the files that are here"


class Pace:
    """`what` of `total` bytes."""

    def __init__(self, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.total, self.clock = what, total, clock
        self.now: tuple[str, float | None] = (f"{what}: {gigabytes(total)}", 0.0) if total else (NOTHING_MISSING, None)
        self._seen: deque[tuple[float, float]] = deque()

    def at(self, done: float) -> tuple[str, float | None]:
        """Words and share for so many bytes that are there now; the same as `now` from then on."""
        if not self.total:
            return self.now
        self._seen.append((self.clock(), done))
        while len(self._seen) > 2 and self._seen[-1][0] - self._seen[1][0] > RECENT:
            self._seen.popleft()
        words = f"{self.what}: {gigabytes(min(done, self.total))} of {gigabytes(self.total)}{self._speed(done)}"
        self.now = (words, min(1.0, done / self.total))
        return self.now

    def _speed(self, done: float) -> str:
        (first, before), (last, now) = self._seen[0], self._seen[-1]
        if last - first < 0.5 or now <= before:
            return ""
        speed = (now - before) / (last - first)
        return f", {gigabytes(speed)}/s, {duration((self.total - done) / speed)} left"


def duration(seconds: float) -> str:
    """75 → '1 min 15 s'"""
    seconds = max(0, round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"
