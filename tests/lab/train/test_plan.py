"""The plan of a run: measured in a child, which is gone when nobody reads on."""

from contextlib import aclosing
from pathlib import Path

import psutil

from chatapp.lab.train.plan import planned
from chatapp.tasks import Step
from tests.lab.train.tiny_runs import tiny


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "--plan" in child.cmdline()]


async def test_who_leaves_ends_the_child(tmp_path: Path) -> None:
    async with aclosing(planned(tiny(tmp_path), tmp_path)) as made:
        assert [await anext(made), await anext(made)] == [Step("Reading the corpus"), Step("Beginning")]
        (child,) = children()
    assert not child.is_running() and children() == []
