"""Downloads as tasks: one for each model, cancelled though nothing comes, begun again with the token of then."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models import downloads as module
from chatapp.models.downloads import Downloads
from chatapp.models.hub_access import Hub
from chatapp.models.sources import Source, on_hub, resolve
from chatapp.tasks import EVERYBODY, Task, Tasks
from tests.fakehub import FakeHub
from tests.fakerepo import safetensors
from tests.hubs import debris, online, until

MEGABYTE = 2**20
FILES = {"config.json": b"{}", "model.safetensors": safetensors(MEGABYTE, 4 * MEGABYTE)}


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[FakeHub, Hub]]:
    with online(tmp_path / "cache") as both:
        yield both


def ended(task: Task) -> str:
    until(lambda: task.state != "running")
    return task.state


def model(name: str) -> Source:
    found = on_hub(name)
    assert found is not None
    return found


def test_two_who_want_the_same_model_have_one_task_and_it_says_where_to_look(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    repo = fake.add("org/m", FILES, waits={"model.safetensors": 2 * MEGABYTE})
    tasks = Tasks()
    downloads = Downloads(tasks)
    first = downloads.begin(model("org/m"), lambda: hub)
    assert downloads.begin(model("org/m"), lambda: hub) is first and tasks.of(EVERYBODY) == [first]
    until(lambda: first.step.share)
    assert downloads.running("org/m") and not downloads.running("org/other")
    assert first.step.words.startswith("Downloading org/m: ")
    repo.let_go.set()
    assert (ended(first), first.result) == ("done", "./models#org%2Fm")
    until(lambda: not downloads.running("org/m"))


def test_a_cancel_ends_it_though_no_bytes_come(hubs: tuple[FakeHub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    fake, hub = hubs
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    repo = fake.add("org/m", FILES, waits={"model.safetensors": 2 * MEGABYTE})
    tasks = Tasks()
    task = Downloads(tasks).begin(model("org/m"), lambda: hub)
    until(lambda: task.step.share)
    tasks.cancel("", task.id, local=True)
    assert (ended(task), task.error) == ("cancelled", "")
    repo.let_go.set()  # and where bytes come after all, nothing half stays
    until(lambda: not debris(hub.place))


def test_what_was_refused_is_begun_again_with_the_token_of_then(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("org/gated", FILES, gated="auto", readers=frozenset({"hf_reader"}))
    tasks, asks = Tasks(), [hub, replace(hub, token="hf_reader")]
    task = Downloads(tasks).begin(model("org/gated"), lambda: asks.pop(0))
    assert ended(task) == "failed" and "accept terms" in task.error
    tasks.retry("", task.id, local=True)
    (again,) = tasks.of(EVERYBODY)
    assert ended(again) == "done"


class Slow(Downloads):
    """Its first thread lives on for a while after the task has ended."""

    def __init__(self, tasks: Tasks) -> None:
        super().__init__(tasks)
        self.let_go = threading.Event()

    def _fetch(self, task: Task, source: Source, hub: Callable[[], Hub]) -> None:
        super()._fetch(task, source, hub)
        if task.state == "failed":
            self.let_go.wait(30)


def test_it_is_begun_again_in_the_moment_of_its_end(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("org/gated", FILES, gated="auto", readers=frozenset({"hf_reader"}))
    tasks, asks = Tasks(), [hub, replace(hub, token="hf_reader")]
    downloads = Slow(tasks)
    task = downloads.begin(model("org/gated"), lambda: asks.pop(0))
    assert ended(task) == "failed"
    tasks.retry("", task.id, local=True)
    (again,) = tasks.of(EVERYBODY)
    assert ended(again) == "done"
    downloads.let_go.set()
    until(lambda: not downloads.running("org/gated"))


def test_what_is_here_is_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="there is nothing to fetch"):
        Downloads(Tasks()).begin(resolve("smollm2", data_dir=tmp_path), Hub)
