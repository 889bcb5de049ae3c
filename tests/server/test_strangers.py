"""What somebody without a name may do to the others: fill the queue, the slots, the disk, or have replies written that nobody reads."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from gradio_client import Client

from chatapp.identity import new_cookie
from chatapp.pages import api_endpoint, reader
from tests.calls import call_data
from tests.conftest import Scripted
from tests.serving import Site, serve, until

CALL = "/gradio_api/call/chat"
HELLO = {"data": call_data("Hi", max_tokens=2000)}


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
    return site.chat.models.first.queue.running + site.chat.models.first.queue.waiting


def test_one_without_a_cookie_cannot_fill_the_queue(open_site: Site, scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LOOK_SECONDS", 60)
    scripted.hold = asyncio.Event()
    calls = [call(open_site) for _ in range(70)]
    assert until(lambda: open_site.chat.models.first.queue.waiting == 8) and open_site.chat.models.first.queue.running == 1
    refusal = httpx2.get(f"{open_site.url}{CALL}/{calls[-1]}", timeout=10).text
    assert "8 messages from your address are waiting, at most 8" in refusal
    client = Client(open_site.url, verbose=False)
    job = client.submit("Let me in", api_name="/chat")
    assert until(lambda: open_site.chat.models.first.queue.waiting == 9)
    open_site.loop.call_soon_threadsafe(scripted.hold.set)
    assert job.result(timeout=20) == "Hello world"
    assert "Let me in" in scripted.tokenizer.decode(scripted.fed[1]), "it is served after one of theirs, not after all"
    client.close()


def test_new_cookies_do_not_help_where_the_proxy_names_the_address(
    open_site: Site, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LOOK_SECONDS", 60)
    scripted.hold = asyncio.Event()
    for address in ("198.51.100.7", "203.0.113.9"):
        for _ in range(12):
            cookie = new_cookie(secure=False, space=False).split(";")[0]
            httpx2.post(open_site.url + CALL, json=HELLO, headers={"cookie": cookie, "x-forwarded-for": address})
    assert until(lambda: open_site.chat.models.first.queue.waiting == 16) and open_site.chat.models.first.queue.running == 1
    assert not until(lambda: open_site.chat.models.first.queue.waiting > 16, seconds=0.3)


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
        assert until(lambda: open_site.chat.models.first.queue.waiting == 1)
    assert until(lambda: open_site.chat.models.first.queue.waiting == 0)
    assert open_site.chat.models.first.queue.running == 1, "whoever reads goes on"
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
    engine = Scripted(scripted.tokenizer, concurrency=2)
    engine.hold = asyncio.Event()
    body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with serve(engine, build=api_endpoint.add, api_key="k") as site, ExitStack() as open_streams, httpx2.Client(timeout=20) as http:
        for _ in range(8):
            asked = http.stream("POST", f"{site.url}/v1/chat/completions", json=body, headers={"authorization": "Bearer k"})
            open_streams.enter_context(asked)
        assert until(lambda: (site.chat.models.first.queue.running, site.chat.models.first.queue.waiting) == (2, 6))
        client = Client(site.url, verbose=False)
        job = client.submit("Let me in", api_name="/chat")

        def theirs() -> list[str]:
            return [known.turn.id for known in site.chat.replies.jobs.all().values() if known.turn.user == "Let me in"]

        assert until(theirs) and site.chat.models.first.queue.waiting == 7
        assert site.chat.position(theirs()[0]) == 1, "the first slot that gets free is the other's"
        site.loop.call_soon_threadsafe(engine.hold.set)
        assert job.result(timeout=20) == "Hello world"
        client.close()


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
