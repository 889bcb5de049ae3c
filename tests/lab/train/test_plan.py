"""What a plan says before a run begins."""

import pytest

from chatapp.lab.train.plan import within


@pytest.mark.parametrize(
    ("limit", "wanted", "steps"),
    [(0, 30.0, 600), (60, 30.0, 600), (15, 30.0, 300), (0.001, 30.0, 1)],
)
def test_a_limit_of_minutes_cuts_the_steps_and_none_cuts_nothing(limit: float, wanted: float, steps: int) -> None:
    assert within(limit, wanted, 600) == steps
