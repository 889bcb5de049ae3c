"""The model in memory: what page, API and health read while it loads, switches and fails; and which engine is chosen."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from chatapp import engines
from chatapp.engines.cores import usable_cores
from chatapp.engines.worker import Worker
from chatapp.errors import ChatError
from chatapp.models.sources import Source
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.settings import Settings
from chatapp.tasks import Step
from tests.openers import Opener

BIG = 2**62


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def models(opener: Opener, request: pytest.FixtureRequest) -> ModelManager:
    models = ModelManager(Settings(model="first"), find=opener.find, open=opener.open, budget=opener.budget)
    request.addfinalizer(models.close)
    return models


@pytest.fixture
def slot(models: ModelManager) -> ModelSlot:
    return models.first


async def test_loading_reports_progress_and_then_is_ready(slot: ModelSlot, opener: Opener) -> None:
    opener.gate.clear()
    slot.wake()
    await asyncio.to_thread(opener.reported.wait)
    assert (slot.state, slot.step) == ("loading", Step("Reading weights of first", 0.25))
    with pytest.raises(ChatError, match=r"not ready yet: Reading weights of first \(25%\)\. Try again") as caught:
        _ = slot.info
    assert caught.value.status == 503
    opener.gate.set()
    assert await slot.wait_ready() is opener.opened[0]
    assert (slot.state, slot.step.share, slot.error) == ("ready", 1.0, "")
    assert slot.info.model == "first"


async def test_everybody_who_waits_is_told(slot: ModelSlot, opener: Opener) -> None:
    opener.gate.clear()
    waiting = [asyncio.create_task(slot.wait_ready()) for _ in range(3)]
    gone = asyncio.create_task(slot.wait_ready())
    await asyncio.sleep(0)
    gone.cancel()
    slot.wake()
    opener.gate.set()
    assert await asyncio.gather(*waiting) == [opener.opened[0]] * 3


async def test_a_failure_is_said_in_its_own_words(slot: ModelSlot, opener: Opener) -> None:
    opener.failures["first"] = ChatError("The file is cut short: 3 of 9 MB.")
    slot.wake()
    with pytest.raises(ChatError, match=r"^first could not be loaded: The file is cut short: 3 of 9 MB\. Load it again, or choose"):
        await slot.wait_ready()
    assert (slot.state, slot.error) == ("failed", "The file is cut short: 3 of 9 MB.")


async def test_an_unexpected_failure_is_logged_and_shown_without_a_traceback(slot, opener, caplog) -> None:
    opener.failures["first"] = ZeroDivisionError("secret detail")
    with caplog.at_level(logging.ERROR):
        slot.wake()
        with pytest.raises(ChatError):
            await slot.wait_ready()
    assert "ZeroDivisionError" in slot.error and "secret detail" not in slot.error
    assert caplog.records[0].exc_info[1] is opener.failures["first"]


async def test_an_engine_that_arrives_after_close_is_freed(slot: ModelSlot, opener: Opener) -> None:
    opener.gate.clear()
    slot.wake()
    await asyncio.to_thread(opener.reported.wait)
    slot.close()
    opener.gate.set()
    with pytest.raises(ChatError, match="closed while"):
        await slot.wait_ready()
    assert opener.opened[0].closed


def test_on_zerogpu_the_model_is_there_before_the_app_starts(slot, monkeypatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    slot.wake()
    assert slot.state == "ready"


async def test_of_is_ready_at_once(scripted) -> None:
    assert await ModelManager.of(scripted).first.wait_ready() is scripted


HUB = Source("org/m", "hub", repo="org/m")
FILE = Source("m.gguf", "gguf", gguf=Path("m.gguf"))
ON_HUB = Source("org/m:m.gguf", "repo_gguf", repo="org/m", file="m.gguf")


@pytest.mark.parametrize(
    ("device", "source", "installed", "chosen"),
    [
        ("cuda:1", HUB, True, "batched"),
        ("cuda", FILE, True, "batched"),
        ("cpu", FILE, True, "llamacpp"),
        ("cpu", ON_HUB, True, "llamacpp"),
        ("cpu", FILE, False, "direct"),
        ("cpu", HUB, True, "direct"),
        ("mps", FILE, True, "direct"),
    ],
)
def test_auto_takes_the_engine_that_fits(monkeypatch, device: str, source: Source, installed: bool, chosen: str) -> None:
    monkeypatch.setattr(engines, "_has_llamacpp", lambda: installed)
    assert engines.choose(source, Settings(device=device)) == chosen


def test_an_engine_that_cannot_serve_the_model_is_refused_with_the_reason(monkeypatch) -> None:
    with pytest.raises(ChatError, match="runs GGUF files, and org/m is none"):
        engines.choose(HUB, Settings(engine="llamacpp"))
    monkeypatch.setattr(engines, "_has_llamacpp", lambda: False)
    with pytest.raises(ChatError, match="needs the package xllamacpp"):
        engines.choose(FILE, Settings(engine="llamacpp"))
    assert engines.choose(FILE, Settings(engine="direct", device="cpu")) == "direct"


def test_a_worker_hands_exceptions_over_as_values_and_refuses_jobs_when_closed() -> None:
    worker = Worker("test")
    assert isinstance(worker.submit(lambda: 1 / 0).exception(), ZeroDivisionError)
    assert worker.submit(lambda: threading.current_thread().name).result() == "test"
    worker.close(timeout=5)
    with pytest.raises(ChatError, match="unloaded"):
        worker.submit(lambda: 1)


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({}, BIG),
        ({"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu.max": "max 100000\n"}, BIG),
        ({"proc/self/cgroup": "0::/app/one\n", "sys/fs/cgroup/app/cpu.max": "100000 100000\n"}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, BIG),
    ],
)
def test_cores_are_those_a_container_may_use(tmp_path: Path, monkeypatch, files: dict[str, str], share: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(64)), raising=False)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == min(64, share)


def cancel(slot: ModelSlot) -> None:
    (task,) = [task for task in slot.house.tasks.of("visitor") if task.state == "running"]
    slot.house.tasks.cancel("visitor", task.id, local=True)


async def test_a_cancelled_load_is_failed_in_plain_words_and_loads_when_it_is_begun_again(slot: ModelSlot, opener: Opener) -> None:
    opener.cancel_at_next_step = True
    opener.gate.clear()
    slot.wake()
    await asyncio.to_thread(opener.reported.wait)
    cancel(slot)
    opener.gate.set()
    with pytest.raises(ChatError, match=r"first could not be loaded: It was cancelled\. Load it again"):
        await slot.wait_ready()
    (task,) = slot.house.tasks.of("visitor")
    assert (task.state, slot.state, opener.opened) == ("cancelled", "failed", [])
    opener.cancel_at_next_step = False
    slot.house.tasks.retry("visitor", task.id, local=True)
    assert await slot.wait_ready() is opener.opened[0]
    assert [(task.state, task.error) for task in slot.house.tasks.of("visitor")] == [("done", "")]
