"""What watching a run may cost: the clock stands still but for what a step, a snapshot and a validation take."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from chatapp.lab.train import recorder
from chatapp.lab.train.learner import Losses

STEPS = 400
STEP, SNAPSHOT, VALIDATION = 1.0, 0.1, 0.5


class Clock:
    """Seconds that somebody says are over."""

    now = 100.0

    def takes(self, seconds: float) -> None:
        self.now += seconds

    def monotonic(self) -> float:
        return self.now


def test_watching_takes_no_more_than_its_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock, kept, validated = Clock(), [], []
    monkeypatch.setattr(recorder, "time", clock)

    def keep(step: int) -> None:
        clock.takes(SNAPSHOT)
        kept.append(step)

    def validate(step: int) -> None:
        clock.takes(VALIDATION)
        validated.append(step)

    given = {"keep": keep, "validate": validate, "log": lambda *_, **__: None, "tell": lambda *_: None, "gradient": lambda: 1.0}
    watching = recorder.Recorder(tmp_path, Losses(0, counts_padding=False), STEPS, 4.0, **given, ends_at=float("inf"))
    control = SimpleNamespace()
    watching.on_train_begin(None, SimpleNamespace(global_step=0), control)
    for step in range(1, STEPS + 1):
        clock.takes(STEP)
        watching.on_step_end(None, SimpleNamespace(global_step=step), control)
    assert tuple(kept) == recorder.snapshot_steps(STEPS)
    assert watching.watched <= recorder.SHARE * STEPS * STEP and not watching.stopped
    assert validated[0] == 0 and validated[-1] == STEPS and len(validated) > 8 and set(validated) < set(kept)
