"""The words of a PDF, read in a process of its own: what is wrong with a file is said, and harms nobody."""

import asyncio
import zlib
from pathlib import Path
from subprocess import Popen

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.testclient import TestClient

from chatapp.errors import ChatError
from chatapp.server import pdf as server
from tests.pdfs import locked, pdf


def test_its_words_come_page_by_page() -> None:
    assert server.run(pdf("The ship leaves", "at nine.")) == {"text": "The ship leaves\n\nat nine.", "pages": 2}


def test_one_that_is_locked_for_nobody_is_read() -> None:
    assert server.run(locked(pdf("Read me."), ""))["text"] == "Read me."


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (locked(pdf("No."), "secret"), "is locked with a password."),
        (pdf("", ""), "has no text on any of its 2 pages: what is there are pictures"),
        (pdf(""), "has no text on its one page: what is there are pictures"),
        (pdf(), "cannot be read: it is damaged, or no PDF."),
        (pdf(*["x" * 9000] * 120), "has more than 1,000,000 characters on the first 112 of 120 pages"),
        (b"%PDF-1.4 and nothing else", "cannot be read: it is damaged, or no PDF."),
        (b"", "cannot be read: it is damaged, or no PDF."),
        (pdf("half")[:300], "cannot be read: it is damaged, or no PDF."),
    ],
    ids=["locked", "scanned", "one scanned", "no pages", "long", "no PDF", "empty", "cut"],
)
def test_what_cannot_be_read_is_the_end_of_a_sentence(made: bytes, said: str) -> None:
    assert server.run(made)["refusal"].startswith(said)


def test_a_page_that_unpacks_to_gigabytes_is_refused() -> None:
    packed = zlib.compress(b"\0" * 3 * 10**8)
    page = pdf("bomb").replace(b"BT /F1", b"%T /F1")
    begin = page.index(b"<< /Length")
    end = page.index(b"endstream")
    bomb = page[:begin] + b"<< /Filter /FlateDecode /Length %d >>\nstream\n" % len(packed) + packed + b"\n" + page[end:]
    assert "refusal" in server.run(bomb)


def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SECONDS", 0.01)
    assert server.run(pdf("late"))["refusal"] == "took longer than 0 s to read. Save it as text first."


def test_the_child_has_no_secret_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("CHATAPP_API_KEY", "secret")
    child = tmp_path / "child.py"
    child.write_text("import json, os, sys\njson.dump({'text': ' '.join(os.environ)}, sys.stdout)\n")
    monkeypatch.setattr(server, "CHILD", child)
    assert "PATH" in server.run(b"")["text"].split() and "CHATAPP" not in server.run(b"")["text"]


async def test_one_is_read_at_a_time_and_a_crowd_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, go_on = 0, 0, asyncio.Event()

    async def slow(self, data: bytes) -> dict:
        nonlocal running, most
        running, most = running + 1, max(most, running + 1)
        await go_on.wait()
        running -= 1
        return {"text": "words", "pages": 1}

    monkeypatch.setattr(server.Reader, "_said", slow)
    reader = server.Reader()
    mine = [asyncio.create_task(reader.read(b"", "me")) for _ in range(server.MOST_EACH)]
    await asyncio.sleep(0)
    with pytest.raises(ChatError, match="was not read: 3 of yours, or from your address,"):
        await reader.read(b"", "me")
    waiting = mine + [asyncio.create_task(reader.read(b"", f"{n}")) for n in range(server.MOST_WAITING - server.MOST_EACH)]
    await asyncio.sleep(0)
    with pytest.raises(ChatError, match="was not read: many others"):
        await reader.read(b"", "another")
    go_on.set()
    assert len(await asyncio.gather(*waiting)) == server.MOST_WAITING and most == 1


class Leaving:
    """A request of somebody who closes the connection once `away` is set."""

    def __init__(self) -> None:
        self.away = asyncio.Event()

    async def receive(self) -> dict:
        await self.away.wait()
        return {"type": "http.disconnect"}


async def test_who_leaves_takes_the_child_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun, started, child, begin = [], asyncio.Event(), tmp_path / "child.py", server.begun
    child.write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.setattr(server, "CHILD", child)

    def watched() -> Popen:
        begun.append(begin())
        started.set()
        return begun[0]

    monkeypatch.setattr(server, "begun", watched)
    reader, request = server.Reader(), Leaving()
    reading = asyncio.create_task(server.unless_gone(request, reader.read(b"")))
    await started.wait()
    request.away.set()
    with pytest.raises(ClientDisconnect):
        await reading
    assert await asyncio.to_thread(begun[0].wait, 20) != 0
    monkeypatch.undo()
    assert (await reader.read(pdf("Next.")))["text"] == "Next."


def test_what_it_complains_of_is_not_kept() -> None:
    complaining = server.begun()
    assert complaining.stderr is None and server.heard(complaining, pdf("Hello."))["text"] == "Hello."


def test_the_route_answers_with_words_or_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Starlette(routes=server.routes())
    app.auth, app.cookie_id, app.tokens = None, "none", {}  # as Gradio's app has them
    with TestClient(app) as client:
        address = "/ui/pdf?session=" + "a" * 32
        assert client.post(address, content=pdf("Hello.")).json() == {"text": "Hello.", "pages": 1}
        refused = client.post(address, content=b"no PDF")
        assert refused.status_code == 422 and refused.json()["error"]["message"].startswith("cannot be read")
        monkeypatch.setattr(server, "MAX_BYTES", 10)
        assert client.post(address, content=pdf("Hello.")).status_code == 413
