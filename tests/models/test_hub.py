"""From the Hub: what is fetched, with which progress, as whom; and each thing that can go wrong, in one sentence and without debris."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from chatapp.errors import ChatError
from chatapp.models import hub as fetching
from chatapp.models import hub_access
from chatapp.models.hub import download, no_progress
from chatapp.models.hub_access import BrokenOff, Gated, Hub, Unreachable, reach
from chatapp.models.pace import Pace, duration
from chatapp.models.sources import Source, resolve
from chatapp.tasks import Cancelled
from tests.fakehub import FakeHub
from tests.fakerepo import safetensors
from tests.hubs import debris, online

MEGABYTE = 2**20


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[FakeHub, Hub]]:
    with online(tmp_path / "cache") as both:
        yield both


def source(name: str) -> Source:
    return resolve(name, data_dir=Path("/nowhere"))


def large(size: int = 3 * MEGABYTE) -> dict[str, bytes]:
    return {"config.json": b"{}", "model.safetensors": safetensors(size // 4, size), "pytorch_model.bin": b"x", "onnx/model.onnx": b"x"}


def test_only_what_is_needed_is_fetched_and_the_progress_ends_at_all_of_it(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    repo = fake.add("org/large", large())
    told: list[tuple[str, float | None]] = []
    folder, commit = download(source("org/large"), lambda words, share: told.append((words, share)), hub=hub)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"] and commit == repo.sha
    assert told[-1] == ("Downloading org/large: 3.1 MB of 3.1 MB", 1.0)
    shares = [share for _, share in told if share is not None]
    assert shares == sorted(shares) and len(set(shares)) >= 3, "it is told by the megabyte"


def test_a_transfer_that_breaks_goes_on_from_where_it_was(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("org/breaks", large(), breaks={"model.safetensors": [2 * MEGABYTE + 5]})
    folder, _ = download(source("org/breaks"), no_progress, hub=hub)
    assert (folder / "model.safetensors").stat().st_size == 3 * MEGABYTE
    gets = [line for line in fake.log if line.startswith("GET") and line.endswith("model.safetensors")]
    assert len(gets) == 2


def test_one_that_breaks_for_good_says_so_leaves_nothing_half_and_keeps_what_is_whole(
    hubs: tuple[FakeHub, Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, hub = hubs
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # its client waits a second before each of five further tries
    repo = fake.add("org/breaks", large(), breaks={"model.safetensors": [100] * 7})
    with pytest.raises(BrokenOff, match=r"org/breaks did not come whole: .+ Files that are whole are kept; try again\."):
        download(source("org/breaks"), no_progress, hub=hub)
    assert debris(hub.place) == []
    repo.breaks.clear()
    assert list(hub.place.rglob("config.json")) and not list(hub.place.rglob("model.safetensors")), "the small file is kept"
    download(source("org/breaks"), no_progress, hub=hub)


def test_cancel_ends_it_in_the_middle_without_debris(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    repo = fake.add("org/slow", large(), waits={"model.safetensors": 2 * MEGABYTE})
    cancel = threading.Event()

    def progress(words: str, share: float | None) -> None:
        if share is not None and share > 0.5:
            cancel.set()
            repo.let_go.set()
        if cancel.is_set():
            raise Cancelled

    with pytest.raises(Cancelled):
        download(source("org/slow"), progress, hub=hub)
    assert debris(hub.place) == []
    assert not list(hub.place.rglob("model.safetensors"))


def test_a_full_disk_is_seen_before_anything_travels(hubs: tuple[FakeHub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    fake, hub = hubs
    fake.add("org/large", large())
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda place: usage._replace(free=10))
    with pytest.raises(ChatError, match=r"needs 3\.1 MB on disk and 0\.0 MB are free"):
        download(source("org/large"), no_progress, hub=hub)
    assert not any("resolve" in line and line.startswith("GET") for line in fake.log)


def test_a_gated_or_private_model_comes_with_the_token_of_a_reader_only(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    readers = frozenset({"hf_reader"})
    fake.add("org/gated", large(), gated="manual", readers=readers)
    fake.add("org/private", large(), private=True, readers=readers)
    for token in (False, "hf_other"):
        with pytest.raises(Gated, match=r"Accept them at https://huggingface.co/org/gated, then give a token"):
            download(source("org/gated"), no_progress, hub=replace(hub, token=token))
        with pytest.raises(ChatError, match="org/private is not on the Hub, or is private"):
            download(source("org/private"), no_progress, hub=replace(hub, token=token))
    for name in ("org/gated", "org/private"):
        download(source(name), no_progress, hub=replace(hub, token="hf_reader"))


def test_the_token_goes_to_the_hub_and_not_where_it_sends_one_for_the_files(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    with FakeHub() as storage:
        for place in (fake, storage):
            place.add("org/large", large())
        fake.elsewhere = storage.url.replace("127.0.0.1", "localhost")
        download(source("org/large"), no_progress, hub=replace(hub, token="hf_secret"))
        assert {token for _, token in storage.tokens} == {""} and any("model.safetensors" in path for path, _ in storage.tokens)
    assert ("/org/large/resolve/" + fake.repos["org/large"].sha + "/model.safetensors", "hf_secret") in fake.tokens
    assert "hf_secret" not in repr(replace(hub, token="hf_secret"))


@pytest.mark.parametrize("swallows", [False, True])
def test_without_the_hub_everything_says_so_within_two_seconds(swallows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if swallows:
            silent.listen()
        hub = Hub(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"The Hub cannot be reached: http://127"):
            reach(hub)
        assert time.monotonic() - began < 2
        with pytest.raises(ChatError, match=r"org/m is not on this machine\. The Hub cannot be reached"):
            download(source("org/m"), no_progress, hub=hub)


def test_what_is_whole_here_loads_without_the_hub(hubs: tuple[FakeHub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    fake, hub = hubs
    fake.add("org/large", large())
    fake.add("org/q", {"a.gguf": b"x" * 10, "b.gguf": b"x"})
    here = download(source("org/large"), no_progress, hub=hub)
    download(source("org/q:a.gguf"), no_progress, hub=hub)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert download(source("org/large"), no_progress, hub=hub) == here
    download(source("org/q:a.gguf"), no_progress, hub=hub)
    with pytest.raises(ChatError, match=r"org/q is not on this machine\. The Hub cannot be reached: the app was told to stay offline"):
        download(source("org/q:b.gguf"), no_progress, hub=hub)


@pytest.mark.parametrize(("status", "words"), [(429, "asked too often"), (503, "a fault of its own"), (500, "a fault of its own")])
def test_a_fault_of_the_hub_is_told_as_such(status: int, words: str, hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.down = status
    with pytest.raises(ChatError, match=words):
        hub_access.ask(hub, "org/m", lambda: hub.api().model_info("org/m"))


def test_all_parts_of_a_split_file_come(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("org/split", {f"m-0000{n}-of-00002.gguf": b"x" * n for n in (1, 2)} | {"other.gguf": b"x"})
    folder, _ = download(source("org/split:m-00001-of-00002.gguf"), no_progress, hub=hub)
    assert sorted(path.name for path in folder.iterdir()) == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]


def test_where_nothing_is_missing_nothing_is_said_to_come(hubs: tuple[FakeHub, Hub]) -> None:
    fake, hub = hubs
    fake.add("org/large", large())
    download(source("org/large"), no_progress, hub=hub)
    told: list[str] = []
    download(source("org/large"), lambda words, share: told.append(words), hub=hub)
    assert told[0] == "Asking the Hub about org/large" and set(told[1:]) <= {"Looking at the files that are here"}


def test_speed_and_time_left_are_those_of_the_last_seconds() -> None:
    now = [0.0]
    pace = Pace("Downloading x", 1_000_000_000, clock=lambda: now[0])
    assert pace.now == ("Downloading x: 1.0 GB", 0.0)
    for second in range(1, 11):
        now[0] = second
        words, share = pace.at(second * 10_000_000)
    assert (words, share) == ("Downloading x: 0.1 GB of 1.0 GB, 10.0 MB/s, 1 min 30 s left", 0.1)
    for second in range(11, 31):
        now[0] = second
        words, _ = pace.at(100_000_000 + (second - 10) * 40_000_000)
    assert words.endswith("40.0 MB/s, 2 s left")
    assert [duration(seconds) for seconds in (-1, 59.6, 3725)] == ["0 s", "1 min 0 s", "1 h 2 min"]
