"""Runs of the app, in real children: one after the other, stopped, killed, failed in a sentence, and gone on with."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from chatapp.errors import ChatError, NotFound
from chatapp.lab.train import checkpoints, history, process
from chatapp.lab.train.recipe import Recipe
from chatapp.lab.train.runs import LAST, Runs
from chatapp.tasks import Task, Tasks
from tests.lab.train import tiny_runs
from tests.lab.train.tiny_runs import tiny

OWNER = "session:person"
ENDED = ("done", "stopped", "failed")


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path / "training", Tasks(), threads=1)
    yield made
    made.shutdown()


def until(true: Callable[[], object], seconds: float = 120) -> None:
    """Not the clock is measured: it is a limit for a machine that is busy."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def step_of(folder: Path) -> int:
    """The last one that the log tells of."""
    return max((event["step"] for event in history.of_kind(folder, "loss")), default=0)


def rests(runs: Runs, id: str) -> bool:
    return runs.about(id)["state"] in ENDED and not running(runs)


def running(runs: Runs) -> list[Task]:
    return [task for task in runs.tasks.of(OWNER) if task.state == "running"]


def long(folder: Path, **values: object) -> Recipe:
    """Some seconds of steps, with a checkpoint now and then."""
    return tiny(folder, **{"max_steps": 3000, "save_steps": 20, **values})


def test_a_second_run_waits_for_the_first(runs: Runs, tmp_path: Path) -> None:
    first, second = runs.begin(OWNER, tiny(tmp_path)), runs.begin(OWNER, tiny(tmp_path, name="The second"))
    until(lambda: runs.about(first)["state"] == "running")
    assert history.written(runs.place(first))["state"] == "queued"  # its process only starts
    assert runs.about(second)["state"] == "queued" and next(task.step.words for task in running(runs)) == "Waits for its turn"
    with pytest.raises(ChatError, match="is running, or waits for its turn"):
        runs.resume(OWNER, second)
    with pytest.raises(ChatError, match="Stop it first"):
        runs.delete(second)
    until(lambda: not running(runs))
    one, other = runs.about(first), runs.about(second)
    assert (one["state"], other["state"]) == ("done", "done") and one["ended"] <= other["began"]
    assert [(task.state, task.result, task.title) for task in runs.tasks.of(OWNER)] == [
        ("done", f"./train#{second}", "Train: The second"),
        ("done", f"./train#{first}", "Train: corpus, tutorial"),
    ]
    assert [run["id"] for run in runs.listed()] == [second, first]
    with pytest.raises(ChatError, match="has come to its end"):
        runs.resume(OWNER, first)
    runs.rename(first, " A  name ")
    assert runs.about(first)["name"] == "A name"
    runs.delete(first)
    with pytest.raises(NotFound):
        runs.about(first)


def test_between_two_sittings_no_run_trains(runs: Runs, tmp_path: Path) -> None:
    id = runs.begin(OWNER, long(tmp_path))
    until(lambda: step_of(runs.place(id)) > 2)
    assert runs.since is not None
    runs.stop(id)
    until(lambda: rests(runs, id))
    between = time.time()
    runs.resume(OWNER, id)
    until(lambda: runs.since is not None)
    assert runs.since > between and not any(begin <= between <= end for begin, end in runs.spans()) and runs.spans()
    runs.stop(id)
    until(lambda: rests(runs, id))


def test_stop_ends_what_runs_and_what_waits(runs: Runs, tmp_path: Path) -> None:
    first, second = runs.begin(OWNER, long(tmp_path)), runs.begin(OWNER, tiny(tmp_path))
    place = runs.place(first)
    runs.stop(second)
    until(lambda: runs.about(second)["state"] == "stopped")
    until(lambda: step_of(place) > 2)
    runs.stop(first)
    until(lambda: rests(runs, first))
    found = runs.about(first)
    last, damaged = checkpoints.newest_whole(place)
    assert found["state"] == "stopped" and found["error"] == "" and not damaged
    assert last == place / f"checkpoint-{found['result']['step']}" and found["result"]["step"] < 3000
    assert {task.state for task in runs.tasks.of(OWNER)} == {"cancelled"}
    assert history.about(runs.place(second)).get("began") is None


@pytest.mark.slow
def test_a_run_killed_at_five_moments_says_so_and_ends_as_if_it_never_was(runs: Runs, tmp_path: Path) -> None:
    """A checkpoint every three steps: some of the kills fall into the writing of one, and none behind the end."""
    recipe, dice = tiny(tmp_path, max_steps=250, save_steps=3), random.Random(7)
    id = runs.begin(OWNER, recipe)
    place = runs.place(id)
    for moment in sorted(dice.sample(range(3, 140), 5)):
        until(lambda moment=moment: step_of(place) >= moment)
        os.kill(runs._child.pid, signal.SIGKILL)
        until(lambda: rests(runs, id))
        found = runs.about(id)
        assert found["state"] == "stopped" and "ended by signal 9. It goes on from the newest whole checkpoint." in found["error"]
        runs.resume(OWNER, id)
    until(lambda: rests(runs, id))
    assert runs.about(id)["state"] == "done" and runs.about(id)["error"] == ""
    tiny_runs.trained(tmp_path / "whole", recipe)
    assert (place / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert [event["step"] for event in history.of_kind(place, "loss")] == list(range(1, 251))


def test_the_end_of_the_app_leaves_a_run_that_goes_on(runs: Runs, tmp_path: Path) -> None:
    first, second = runs.begin(OWNER, long(tmp_path)), runs.begin(OWNER, tiny(tmp_path))
    until(lambda: step_of(runs.place(first)) > 2)
    child = runs._child
    runs.shutdown()
    assert child.poll() is not None and LAST + 0.5 <= 3
    after = Runs(runs.folder, Tasks(), threads=1)
    assert [run["state"] for run in after.listed()] == ["stopped", "stopped"]
    assert step_of(after.place(first)) < 3000 and step_of(after.place(second)) == 0
    after.resume(OWNER, second)
    until(lambda: rests(after, second))
    assert after.about(second)["state"] == "done"


@pytest.mark.slow
def test_a_run_whose_end_takes_too_long_is_ended_as_it_is(runs: Runs, tmp_path: Path) -> None:
    id = runs.begin(OWNER, long(tmp_path))
    until(lambda: checkpoints.newest_whole(runs.place(id))[0])
    os.kill(runs._child.pid, signal.SIGSTOP)  # a step that takes for ever
    runs.shutdown()
    after = Runs(runs.folder, Tasks(), threads=1)
    until(lambda: after.about(id)["state"] == "stopped")
    assert checkpoints.newest_whole(after.place(id))[0]


@pytest.mark.slow
def test_a_run_ends_in_good_order_when_its_parent_dies(tmp_path: Path) -> None:
    child = tiny_runs.begun(folder := tmp_path / "run", long(tmp_path))
    until(lambda: step_of(folder) > 2)
    child.stdin.close()  # as the system does it for a parent that was killed
    child.wait(60)
    assert history.about(folder)["state"] == "stopped" and checkpoints.newest_whole(folder)[0]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("numbers", [10, 100_000])
def test_what_pytorch_says_of_a_full_disk_is_waited_for(tmp_path: Path, numbers: int) -> None:
    """/dev/full answers every write as a full disk does."""
    places, said = [Path("/dev/full"), tmp_path / "room.pt"], []
    checkpoints.until_written(lambda: torch.save(torch.zeros(numbers), places.pop(0)), tmp_path / "room.pt", said.append)
    assert said[0].startswith("room.pt cannot be written (PyTorch could not write all of it); ") and said[1:] == [""]
    assert (tmp_path / "room.pt").exists()


@pytest.mark.slow
def test_a_full_disk_pauses_a_run_and_nothing_is_lost(tmp_path: Path) -> None:
    """No file of the child may grow any more, as on a full disk: it waits, and goes on when there is room."""
    resource = pytest.importorskip("resource")
    recipe = tiny(tmp_path, max_steps=400, save_steps=50)
    child = tiny_runs.begun(folder := tmp_path / "run", recipe)
    until(lambda: step_of(folder) > 2)
    _, hard = resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    until(lambda: "cannot be written" in history.progress(folder)[0])
    assert child.poll() is None and history.about(folder)["state"] in history.LIVING
    resource.prlimit(child.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
    assert tiny_runs.ended(child) == 0, process.last_words(folder)
    assert history.about(folder)["state"] == "done" and history.about(folder)["error"] == ""
    tiny_runs.trained(tmp_path / "whole", recipe)
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()
    assert [event["step"] for event in history.of_kind(folder, "loss")] == list(range(1, 401))


def test_a_run_that_fails_says_why(runs: Runs, tmp_path: Path) -> None:
    recipe = tiny(tmp_path)
    (tmp_path / "corpus.txt").write_text("")
    id = runs.begin(OWNER, recipe)
    until(lambda: rests(runs, id))
    assert (runs.about(id)["state"], runs.about(id)["error"]) == ("failed", "corpus.txt is empty.")
    (task,) = runs.tasks.of(OWNER)
    assert (task.state, task.error) == ("failed", "corpus.txt is empty.")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    runs = Runs(tmp_path / "file" / "training", Tasks())
    with pytest.raises(ChatError, match=r"cannot be written: Not a directory"):
        runs.begin(OWNER, tiny(tmp_path))
    assert runs.tasks.of(OWNER) == []


@pytest.mark.parametrize("id", ["", "..", "../other", "0" * 31, "0" * 32])
def test_an_id_leads_nowhere_else(runs: Runs, id: str) -> None:
    with pytest.raises(NotFound):
        runs.place(id)
