"""The door: who asks, what it takes, what it answers when something is wrong, and that the contract is written down as it is."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from starlette.routing import Route

from chatapp.errors import ChatError
from chatapp.pages.protocol import ChatAction, Watch
from chatapp.server import door as doors
from chatapp.server.door import Door
from docs import protocol
from tests.serving import Site, serve

ROOT = Path(__file__).parents[2]


def answers() -> list[Route]:
    """A door with one action and stream of each kind."""
    door = Door()

    async def greet(owner: str, asked: dict) -> dict:
        return {"owner": owner, "hello": asked.get("name")}

    async def refuse(owner: str, asked: dict) -> dict:
        raise ChatError("It is full: 3 of 3.", status=429)

    async def break_(owner: str, asked: dict) -> dict:
        raise RuntimeError("inner words")

    async def count(owner: str, asked: dict) -> AsyncIterator[dict]:
        yield {"n": 1}
        yield {"n": 2, "done": True}

    async def broken(owner: str, asked: dict) -> AsyncIterator[dict]:
        yield {"n": 1}
        raise RuntimeError("inner words")

    door.actions |= {"greet": greet, "refuse": refuse, "break": break_}
    door.streams |= {"count": count, "broken": broken}
    return door.routes()


@pytest.fixture(scope="module")
def site(tiny_llama: Path) -> Iterator[Site]:
    from transformers import AutoTokenizer

    from tests.conftest import Scripted

    with serve(Scripted(AutoTokenizer.from_pretrained(tiny_llama)), more=answers()) as site:
        yield site


def post(site: Site, name: str, **kwargs) -> httpx2.Response:
    return httpx2.post(f"{site.url}/ui/{name}", trust_env=False, **kwargs)


def test_an_action_gets_its_values_and_answers_once(site: Site) -> None:
    answer = post(site, "greet", json={"name": "Ann", "session": "s"})
    assert answer.json()["hello"] == "Ann" and answer.json()["owner"].startswith("session:")
    assert post(site, "greet", json={"session": "s"}).json()["owner"] == answer.json()["owner"]
    assert post(site, "greet", json={"session": "t"}).json()["owner"] != answer.json()["owner"]


def test_a_refusal_has_its_sentence_status_and_code(site: Site) -> None:
    answer = post(site, "refuse", json={})
    assert answer.status_code == 429
    assert answer.json() == {"error": {"message": "It is full: 3 of 3.", "status": 429, "code": "busy"}}


def test_a_failure_nobody_foresaw_is_a_sentence_without_its_inner_words(site: Site) -> None:
    answer = post(site, "break", json={})
    assert answer.status_code == 500 and "Something broke" in answer.json()["error"]["message"] and "inner" not in answer.text


def test_a_stream_is_lines_and_a_failure_in_it_is_the_last_one(site: Site) -> None:
    assert [line for line in post(site, "count", json={}).text.splitlines()] == ['{"n":1}', '{"n":2,"done":true}']
    *_, last = post(site, "broken", json={}).text.splitlines()
    assert '"error"' in last and "inner" not in last


@pytest.mark.parametrize("body", [b"[]", b"{", b"[" * 100_000, b'{"a": NaN}', b'"x"', b"\xff"])
def test_what_is_no_object_is_refused_in_words(site: Site, body: bytes) -> None:
    answer = post(site, "greet", content=body)
    assert answer.status_code == 400 and answer.json()["error"]["message"].endswith("Reload the page.")


def test_a_body_that_is_too_long_is_refused_with_the_number(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "MAX_ACTION", 1000)
    answer = post(site, "greet", json={"name": "x" * 2000})
    assert answer.status_code == 413 and "1,000 bytes" in answer.json()["error"]["message"]


def test_an_unknown_name_and_another_site_are_refused(site: Site) -> None:
    assert "does not know" in post(site, "nothing", json={}).json()["error"]["message"]
    assert post(site, "greet", json={}, headers={"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}).status_code == 403


WRONG = {
    "'do' as int, which is not its type": {"do": 1},
    "left 'do' out": {},
    "'wish', which this version of the app does not know": {"do": "send", "wish": 1},
    "'temporary' as int": {"do": "send", "temporary": 1},
    "'position' as bool": {"do": "send", "position": True},
}


@pytest.mark.parametrize(("why", "asked"), WRONG.items(), ids=WRONG)
def test_a_message_of_the_wrong_shape_is_refused_by_field(why: str, asked: dict) -> None:
    with pytest.raises(ChatError, match=f"{why}.*Reload the page") as caught:
        ChatAction.read(asked)
    assert caught.value.status == 422


def test_the_session_is_no_field_of_a_message() -> None:
    assert Watch.read({"conversation": None, "session": "s", "tick": 1}) == Watch(tick=1)


def test_the_contract_is_written_down_as_it_is() -> None:
    assert (ROOT / "docs" / "protocol.md").read_text() == protocol.text(), "run: make docs"
