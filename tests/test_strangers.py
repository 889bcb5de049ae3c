"""What somebody without a name may do to the others: fill the queue, the slots, the disk, or have replies written that nobody reads."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from gradio_client import Client

from chatapp.ui import api_endpoint, reader
from tests.conftest import Scripted
from tests.serving import Site, serve, until

CALL = "/gradio_api/call/chat"
HELLO = {"data": ["Hi", "", 1, 1, 0, 2000, 0, 1, None, "", ""]}


@pytest.fixture
def open_site(scripted: Scripted) -> Iterator[Site]:
    """A site that strangers reach through a proxy."""
    with serve(scripted, build=api_endpoint.add, allowed_hosts=("chat.example.org",)) as site:
        yield site


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second without a reader is enough."""
    monkeypatch.setattr(reader, "LOOK_SECONDS", 0.1)


def call(site: Site) -> str:
    """Ask without a cookie and without listening; the event's id."""
    return httpx2.post(site.url + CALL, json=HELLO).json()["event_id"]


def busy(site: Site) -> int:
    return site.chat.queue.running + site.chat.queue.waiting


def test_one_without_a_cookie_cannot_fill_the_queue(open_site: Site, scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 20, 0.05
    calls = [call(open_site) for _ in range(70)]
    assert until(lambda: open_site.chat.queue.waiting == 8) and open_site.chat.queue.running == 1
    client = Client(open_site.url, verbose=False)
    began = time.monotonic()
    assert client.predict("Hello", api_name="/chat") == "x" * 20
    assert time.monotonic() - began < 5, "it waits for one of theirs, not for all"
    client.close()
    refusal = httpx2.get(f"{open_site.url}{CALL}/{calls[-1]}", timeout=10).text
    assert "8 messages from your address are waiting, at most 8" in refusal


@pytest.mark.usefixtures("impatient")
def test_calls_that_nobody_reads_end(open_site: Site, scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 2000, 0.01
    for _ in range(3):
        call(open_site)
    assert until(lambda: busy(open_site) == 3)
    assert until(lambda: busy(open_site) == 0) and scripted.steps < 1000


@pytest.mark.usefixtures("impatient")
def test_a_reader_who_leaves_while_waiting_gives_the_place_back(open_site: Site, scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 2000, 0.01
    first = Client(open_site.url, verbose=False).submit("Hi", api_name="/chat")
    assert until(lambda: scripted.steps > 0)
    with httpx2.stream("GET", f"{open_site.url}{CALL}/{call(open_site)}", timeout=5):
        assert until(lambda: open_site.chat.queue.waiting == 1)
    assert until(lambda: open_site.chat.queue.waiting == 0)
    assert open_site.chat.queue.running == 1, "whoever reads goes on"
    first.cancel()
    assert until(lambda: busy(open_site) == 0)


@pytest.mark.usefixtures("impatient")
def test_whoever_reads_waits_as_long_as_it_takes(open_site: Site, scripted: Scripted) -> None:
    scripted.words, scripted.delay = ["x"] * 100, 0.02
    client = Client(open_site.url, verbose=False)
    jobs = [client.submit("Hi", api_name="/chat") for _ in range(2)]
    assert [job.result(timeout=20) for job in jobs] == ["x" * 100] * 2
    client.close()


def test_a_key_does_not_keep_all_slots_while_others_wait(scripted: Scripted) -> None:
    scripted.capabilities = type(scripted.capabilities)(context=2048, concurrency=2)
    scripted.words, scripted.delay = ["x"] * 100, 0.01
    with serve(scripted, build=api_endpoint.add, api_key="k") as site:
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        headers = {"authorization": "Bearer k"}
        with httpx2.Client(timeout=20) as http:
            streams = [http.stream("POST", f"{site.url}/v1/chat/completions", json=body, headers=headers) for _ in range(8)]
            for stream in streams:
                stream.__enter__()
            assert until(lambda: (site.chat.queue.running, site.chat.queue.waiting) == (2, 6))
            client = Client(site.url, verbose=False)
            began = time.monotonic()
            client.predict("Hello", api_name="/chat")
            assert time.monotonic() - began < 3.5, "the first free slot is the other's: one reply takes a second"
            client.close()
            for stream in streams:
                stream.__exit__(None, None, None)


@pytest.mark.parametrize(
    "path", ["upload", "upload/", "process_recording", "component_server", "component_server/", "stream/x", "run/chat", "api/chat/"]
)
def test_gradios_other_doors_are_closed(open_site: Site, scripted: Scripted, tmp_path: Path, path: str) -> None:
    files = {"files": ("a.txt", b"x" * 1000)}
    answer = httpx2.post(f"{open_site.url}/gradio_api/{path}", files=files, follow_redirects=True)
    assert answer.status_code == 403 and answer.json()["detail"].endswith(".")
    answer = httpx2.post(f"{open_site.url}/gradio_api/{path}", json=HELLO, follow_redirects=True)
    assert answer.status_code == 403 and scripted.fed == []


def test_nothing_is_written_through_a_deep_link(open_site: Site) -> None:
    assert httpx2.get(f"{open_site.url}/gradio_api/deep_link?session_hash=a").status_code == 403
