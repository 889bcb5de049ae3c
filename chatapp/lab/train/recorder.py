"""What is written down while a model learns, within a share of its time: losses, validation, snapshots. And where a run ends early."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from chatapp.lab.train import history
from chatapp.lab.train.bits import LN2
from chatapp.lab.train.learner import Losses
from chatapp.tasks import Progress

MOST_LOSSES = 500
"""Lines of losses of a run: what a curve can show."""

FIRST, LONGEST = 10, 10.0
"""Steps of which each has its line, and seconds after which there is one in any case."""

SNAPSHOTS = 20
"""About so many over a run, half of them in its first tenth, where most is learned."""


SHARE = 0.02
"""Of the steps' time that watching may take: a snapshot at each of their steps, and validation at as many of them as the rest allows."""


def snapshot_steps(total: int) -> tuple[int, ...]:
    """0, 1, 2, 4, 8, … and then evenly to the last one."""
    early = {0, *(2**power for power in range(20) if 2**power <= total / SNAPSHOTS)}
    rest = max(1, SNAPSHOTS - len(early))
    return tuple(sorted(early | {round(total * number / rest) for number in range(1, rest + 1)}))


@dataclass
class Recorder(TrainerCallback):
    """Trainer tells it of every step.

    keep      writes a snapshot of a step
    validate  writes its validation
    log       writes an event
    tell      progress in words
    ends_at   time.monotonic() at which the run ends, whatever is left
    """

    folder: Path
    losses: Losses
    total: int
    bytes_per_token: float
    keep: Callable[[int], None]
    validate: Callable[[int], None]
    log: Callable[..., None]
    tell: Progress
    ends_at: float
    gradient: Callable[[], Any]
    stopped: str = ""
    watched: float = 0.0
    rate: float = 0.0
    began: float = field(default_factory=time.monotonic)
    _since: int = -1
    _cost: float = 0.0
    _last: float = 0.0
    _tokens: float = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """A checkpoint that was written because somebody stopped says so; this run goes on."""
        control.should_training_stop = False
        self._since, self.plan, self.every = state.global_step, frozenset(snapshot_steps(self.total)), max(1, self.total // MOST_LOSSES)
        if state.global_step == 0:
            self.keep(0)
            self._validate(0)
        self.began = self._last = time.monotonic()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, lr_scheduler: Any, **options: Any) -> None:
        """The rate with which this very step is taken."""
        self.rate = lr_scheduler.get_last_lr()[0]

    def on_step_end(self, args: Any, state: Any, control: Any, **options: Any) -> None:
        """Trainer has taken a step; its model holds it."""
        before = time.monotonic()
        step = state.global_step
        if step <= FIRST or step == self.total or step % self.every == 0 or step in self.plan or before - self._last > LONGEST:
            self._write_loss(step, before)
        if step in self.plan:
            self.keep(step)
            if step == self.total or self._affordable(time.monotonic() - before):
                self._validate(step)
        if reason := self._reason():
            self.stopped = reason
            control.should_save = control.should_training_stop = True
        self.watched += time.monotonic() - before
        if step in self.plan:
            self._last = time.monotonic()

    def _validate(self, step: int) -> None:
        before = time.monotonic()
        self.validate(step)
        self._cost = time.monotonic() - before

    def _affordable(self, more: float) -> bool:
        """Validation here and at the last step, beside the seconds that watching took before and `more` that it took at this one."""
        watched = self.watched + more
        return watched + 2 * self._cost <= SHARE * (time.monotonic() - self.began - watched)

    def _reason(self) -> str:
        """Why the run ends here: 'stop' for a person's wish, 'time' for the limit, '' for not at all."""
        if (self.folder / history.STOP).exists():
            return "stop"
        return "time" if time.monotonic() > self.ends_at else ""

    def _write_loss(self, step: int, now: float) -> None:
        found, steps = self.losses.read(), step - self._since
        seconds = max(1e-9, now - self._last)
        left = seconds / max(1, steps) * (self.total - step)
        left = min(left, max(0.0, self.ends_at - now))
        self.log(
            "loss",
            step=step,
            loss=found["loss"],
            bits_per_byte=found["loss"] / LN2 / self.bytes_per_token,
            learning_rate=self.rate,
            grad_norm=float(self.gradient()),
            tokens_per_second=found["tokens"] / seconds,
            seconds_left=left,
            **({"tutorial_loss": found["tutorial_loss"]} if "tutorial_loss" in found else {}),
        )
        bits = found["loss"] / LN2 / self.bytes_per_token
        self.tell(f"Step {step:,} of {self.total:,} · {bits:.3f} bits per byte · {_minutes(left)} left", step / self.total)
        self._since, self._last = step, now


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
