"""The model in memory: what page, API and health read while it loads, switches and fails; and which engine is chosen."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from chatapp import engines
from chatapp.engines.base import Capabilities
from chatapp.engines.cores import usable_cores
from chatapp.engines.worker import Worker
from chatapp.errors import ChatError
from chatapp.models.info import ModelInfo
from chatapp.models.sources import Source
from chatapp.resident.slot import ModelSlot, bytes_needed, fits_beside
from chatapp.settings import Settings
from chatapp.tasks import Step

BIG = 2**62


class Loaded:
    """An engine that only knows whether it was closed."""

    def __init__(self, model: str) -> None:
        self.info = ModelInfo(model, "", 0, 10, "cpu", "float32", "a test", "none")
        self.capabilities = Capabilities(10, ())
        self.tokenizer = None
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Opener:
    """Opens engines when `gate` is set, tells progress, and fails for models named in `failures`."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.reported = threading.Event()
        self.failures: dict[str, BaseException] = {}
        self.opened: list[Loaded] = []
        self.alive_at_open: list[int] = []
        self.cancel_at_next_step = False

    def find(self, settings: Settings) -> Source:
        if settings.model == "misspelt":
            raise ChatError("misspelt was not found: looked for a folder and on the Hub.")
        return Source(settings.model, "hub", repo=settings.model)

    def open(self, source: Source, settings: Settings, progress) -> Loaded:
        self.alive_at_open.append(sum(not e.closed for e in self.opened))
        progress(f"Reading weights of {source.name}", 0.25)
        self.reported.set()
        self.gate.wait(5)
        if self.cancel_at_next_step:
            progress("Next step", None)
        if source.name in self.failures:
            raise self.failures[source.name]
        self.opened.append(Loaded(source.name))
        return self.opened[-1]


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
def resident(opener: Opener, request: pytest.FixtureRequest) -> ModelSlot:
    resident = ModelSlot(Settings(model="first"), find=opener.find, open=opener.open)
    request.addfinalizer(resident.close)
    return resident


async def test_loading_reports_progress_and_then_is_ready(resident: ModelSlot, opener: Opener) -> None:
    opener.gate.clear()
    resident.start()
    await asyncio.to_thread(opener.reported.wait)
    assert (resident.state, resident.step) == ("loading", Step("Reading weights of first", 0.25))
    with pytest.raises(ChatError, match=r"not ready yet: Reading weights of first \(25%\)\. Try again") as caught:
        _ = resident.info
    assert caught.value.status == 503
    opener.gate.set()
    assert await resident.wait_ready() is opener.opened[0]
    assert (resident.state, resident.step.share, resident.error) == ("ready", 1.0, "")
    assert resident.info.model == "first"


async def test_everybody_who_waits_is_told(resident: ModelSlot, opener: Opener) -> None:
    opener.gate.clear()
    waiting = [asyncio.create_task(resident.wait_ready()) for _ in range(3)]
    gone = asyncio.create_task(resident.wait_ready())
    await asyncio.sleep(0)
    gone.cancel()
    resident.start()
    opener.gate.set()
    assert await asyncio.gather(*waiting) == [opener.opened[0]] * 3


async def test_a_failure_is_said_in_its_own_words(resident: ModelSlot, opener: Opener) -> None:
    opener.failures["first"] = ChatError("The file is cut short: 3 of 9 MB.")
    resident.start()
    with pytest.raises(ChatError, match="There is no model: The file is cut short: 3 of 9 MB"):
        await resident.wait_ready()
    assert (resident.state, resident.error) == ("failed", "The file is cut short: 3 of 9 MB.")


async def test_an_unexpected_failure_is_logged_and_shown_without_a_traceback(resident, opener, caplog) -> None:
    opener.failures["first"] = ZeroDivisionError("secret detail")
    with caplog.at_level(logging.ERROR):
        resident.start()
        with pytest.raises(ChatError):
            await resident.wait_ready()
    assert "ZeroDivisionError" in resident.error and "secret detail" not in resident.error
    assert caplog.records[0].exc_info[1] is opener.failures["first"]


async def test_switching_replaces_the_engine_and_closes_the_old_one_first(resident: ModelSlot, opener: Opener) -> None:
    resident.start()
    await resident.wait_ready()
    opener.gate.clear()
    task = asyncio.create_task(resident.switch("second"))
    opener.reported.clear()
    await asyncio.to_thread(opener.reported.wait)
    assert resident.state == "switching"
    with pytest.raises(ChatError, match="Reading weights of second"):
        _ = resident.engine
    with pytest.raises(ChatError, match="being loaded") as caught:
        await resident.switch("third")
    assert caught.value.status == 409
    opener.gate.set()
    await task
    assert resident.info.model == resident.settings.model == "second"
    assert opener.opened[0].closed and opener.alive_at_open == [0, 0]  # its size was not known


async def test_a_small_model_is_loaded_beside_the_old_one(resident, opener, monkeypatch) -> None:
    monkeypatch.setattr("chatapp.resident.slot.bytes_needed", lambda source: 1)
    resident.start()
    await resident.wait_ready()
    await resident.switch("second")
    assert opener.alive_at_open == [0, 1]
    assert [e.closed for e in opener.opened] == [True, False]


@pytest.mark.parametrize("small", [True, False])
async def test_after_a_failed_switch_the_old_model_serves(resident, opener, monkeypatch, small: bool) -> None:
    monkeypatch.setattr("chatapp.resident.slot.bytes_needed", lambda source: 1 if small else None)
    opener.failures["second"] = ChatError("second is gated: ask for access.", status=403)
    resident.start()
    await resident.wait_ready()
    with pytest.raises(ChatError, match="second could not be loaded: second is gated: ask for access") as caught:
        await resident.switch("second")
    assert caught.value.status == 403
    assert (resident.state, resident.error, resident.info.model) == ("ready", "", "first")
    assert len(opener.opened) == (1 if small else 2)
    assert not resident.engine.closed


async def test_a_misspelt_name_leaves_the_engine_alone(resident: ModelSlot, opener: Opener) -> None:
    resident.start()
    engine = await resident.wait_ready()
    with pytest.raises(ChatError, match="looked for a folder and on the Hub"):
        await resident.switch("misspelt")
    assert resident.engine is engine and not engine.closed


async def test_a_failed_model_can_be_replaced(resident: ModelSlot, opener: Opener) -> None:
    opener.failures["first"] = ChatError("broken")
    resident.start()
    with pytest.raises(ChatError):
        await resident.wait_ready()
    await resident.switch("second")
    assert resident.info.model == "second"


async def test_an_engine_that_arrives_after_close_is_freed(resident: ModelSlot, opener: Opener) -> None:
    opener.gate.clear()
    resident.start()
    await asyncio.to_thread(opener.reported.wait)
    resident.close()
    opener.gate.set()
    with pytest.raises(ChatError, match="closed while"):
        await resident.wait_ready()
    assert opener.opened[0].closed


def test_on_zerogpu_the_model_is_there_before_the_app_starts(resident, monkeypatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    resident.start()
    assert resident.state == "ready"


async def test_of_is_ready_at_once(scripted) -> None:
    assert await ModelSlot.of(scripted).wait_ready() is scripted


def test_sizes_are_read_from_the_files(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(b"x" * 100)
    assert bytes_needed(Source("m", "folder", folder=tmp_path)) == 200
    assert bytes_needed(Source("m", "gguf", gguf=gguf)) == 800
    assert bytes_needed(HUB) is None
    assert fits_beside(Source("m", "gguf", gguf=gguf), "cpu") and not fits_beside(HUB, "cpu")


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


def cancel(resident: ModelSlot) -> None:
    (task,) = [task for task in resident.tasks.of("visitor") if task.state == "running"]
    resident.tasks.cancel("visitor", task.id, local=True)


async def test_a_cancelled_load_is_failed_in_plain_words_and_loads_when_it_is_begun_again(resident: ModelSlot, opener: Opener) -> None:
    opener.cancel_at_next_step = True
    opener.gate.clear()
    resident.start()
    await asyncio.to_thread(opener.reported.wait)
    cancel(resident)
    opener.gate.set()
    with pytest.raises(ChatError, match=r"There is no model: Loading first was cancelled\. Try again in the list of tasks"):
        await resident.wait_ready()
    (task,) = resident.tasks.of("visitor")
    assert (task.state, resident.state, opener.opened) == ("cancelled", "failed", [])
    opener.cancel_at_next_step = False
    resident.tasks.retry("visitor", task.id, local=True)
    assert await resident.wait_ready() is opener.opened[0]
    assert [(task.state, task.error) for task in resident.tasks.of("visitor")] == [("done", "")]


async def test_a_model_that_is_there_is_not_loaded_again(resident: ModelSlot) -> None:
    resident.start()
    await resident.wait_ready()
    with pytest.raises(ChatError, match="There is a model already"):
        resident.start()


async def test_a_cancelled_switch_goes_back_to_the_model_before(resident: ModelSlot, opener: Opener) -> None:
    resident.start()
    await resident.wait_ready()
    opener.cancel_at_next_step, opener.failures = True, {}
    opener.gate.clear()
    opener.reported.clear()
    switching = asyncio.create_task(resident.switch("second"))
    await asyncio.to_thread(opener.reported.wait)
    cancel(resident)
    opener.gate.set()
    with pytest.raises(ChatError, match="second could not be loaded: Cancelled"):
        await switching
    assert (resident.state, resident.info.model) == ("ready", "first")
    assert [task.state for task in resident.tasks.of("visitor")] == ["cancelled", "done"]
