"""Kept runs: an owner's own, watched, taken up, deleted."""

import asyncio
from pathlib import Path

import pytest

from chatapp.errors import ChatError, NotFound
from chatapp.lab import kept
from chatapp.lab.kept import Runs
from chatapp.resident.manager import ModelManager
from tests.chats import until
from tests.conftest import Scripted
from tests.lab.runs import ME, grid

YOU = "owner-you"
GRID = "{prompts: [One, Two], columns: [{name: a}, {name: b}]}"


@pytest.fixture
def runs(scripted: Scripted, tmp_path: Path) -> Runs:
    return Runs(tmp_path / "compare", ModelManager.of(scripted))


async def finished(runs: Runs, id: str) -> None:
    await until(lambda: runs.running(ME, id) is None)


async def test_a_run_is_begun_watched_and_read(runs: Runs, scripted: Scripted) -> None:
    scripted.hold = asyncio.Event()
    id = runs.begin(ME, grid(GRID), title=" Colours ", may_load=False)
    await until(lambda: bool(runs.running(ME, id).live))
    [listed] = runs.listed(ME)
    assert (listed.id, listed.title, listed.cells, listed.replies, listed.running) == (id, "Colours", 4, 0, True)
    [task] = runs.models.tasks.of(ME)
    assert (task.kind, task.title, task.state) == ("compare", "Compare: Colours", "running")
    scripted.hold.set()
    await finished(runs, id)
    read, rows = runs.read(ME, id)
    assert read == grid(GRID) and len(rows) == runs.listed(ME)[0].replies == 4 and task.state == "done"


async def test_a_stopped_run_goes_on_also_in_another_process(runs: Runs, scripted: Scripted) -> None:
    scripted.delay = 0.01
    id = runs.begin(ME, grid(GRID), title="", may_load=False)
    await until(lambda: runs.listed(ME)[0].replies >= 1)
    await runs.shutdown()
    [task] = runs.models.tasks.of(ME)
    before = runs.read(ME, id)[1]
    assert task.state == "cancelled" and 1 <= len(before) < 4 and not runs.models.busy
    later = Runs(runs.folder, runs.models)
    later.go_on(ME, id, may_load=False)
    await finished(later, id)
    assert later.read(ME, id)[1][: len(before)] == before and later.listed(ME)[0].replies == 4


async def test_the_task_takes_it_up_again(runs: Runs) -> None:
    id = runs.begin(ME, grid(GRID), title="", may_load=False)
    await runs.stop(ME, id)
    [task] = runs.models.tasks.of(ME)
    runs.models.tasks.retry(ME, task.id, local=False)
    await finished(runs, id)
    assert runs.listed(ME)[0].replies == 4


async def test_anothers_run_reads_as_none(runs: Runs) -> None:
    id = runs.begin(ME, grid(GRID), title="", may_load=False)
    for ask in (lambda: runs.read(YOU, id), lambda: runs.running(YOU, id), lambda: runs.go_on(YOU, id, may_load=True)):
        with pytest.raises(NotFound):
            ask()
    for stop in (runs.delete(YOU, id), runs.stop(YOU, "../../x")):
        with pytest.raises(NotFound):
            await stop
    assert runs.listed(YOU) == [] and len(runs.listed(ME)) == 1
    await finished(runs, id)


async def test_deleting_leaves_nothing(runs: Runs, scripted: Scripted) -> None:
    scripted.hold = asyncio.Event()
    first, second = (runs.begin(ME, grid(GRID), title="", may_load=False) for _ in range(2))
    await runs.delete(ME, first)
    assert [run.id for run in runs.listed(ME)] == [second]
    await runs.erase(ME)
    assert list(runs.folder.iterdir()) == [] and not runs.models.busy


async def test_nobody_runs_more_than_two_at_once(runs: Runs, scripted: Scripted) -> None:
    scripted.hold = asyncio.Event()
    first, second = (runs.begin(ME, grid(GRID), title="", may_load=False) for _ in range(2))
    with pytest.raises(ChatError, match="2 comparisons of yours are running"):
        runs.begin(ME, grid(GRID), title="", may_load=False)
    assert len(runs.listed(ME)) == 2
    await runs.stop(ME, first)
    third = runs.begin(ME, grid(GRID), title="", may_load=False)
    runs.begin(YOU, grid(GRID), title="", may_load=False)
    assert runs.running(ME, third) and runs.running(ME, second)
    await runs.shutdown()


async def test_nobody_keeps_more_than_the_most(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST_RUNS", 1)
    id = runs.begin(ME, grid(GRID), title="", may_load=False)
    with pytest.raises(ChatError, match="You keep 1 comparisons"):
        runs.begin(ME, grid(GRID), title="", may_load=False)
    await finished(runs, id)
