"""The plan of a run: measured in a child, which is gone when nobody reads on."""

from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from chatapp.lab.train.plan import planned, within
from chatapp.tasks import Step
from tests.lab.train.tiny_runs import tiny


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "--plan" in child.cmdline()]


async def test_who_leaves_ends_the_child(tmp_path: Path) -> None:
    async with aclosing(planned(tiny(tmp_path), tmp_path)) as made:
        assert [await anext(made), await anext(made)] == [Step("Reading the corpus"), Step("Beginning")]
        (child,) = children()
    assert not child.is_running() and children() == []


@pytest.mark.parametrize(
    ("limit", "wanted", "steps"),
    [(0, 30.0, 600), (60, 30.0, 600), (15, 30.0, 300), (0.001, 30.0, 1)],
)
def test_a_limit_of_minutes_cuts_the_steps_and_none_cuts_nothing(limit: float, wanted: float, steps: int) -> None:
    assert within(limit, wanted, 600) == steps
