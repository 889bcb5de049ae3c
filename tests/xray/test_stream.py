"""/ui/xray over a real server: lines of JSON to whoever owns the turn; who stops reading ends the work."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.identity import COOKIE, Owner, owner_of
from chatapp.sampling import Sampling
from chatapp.server.body import MAX_ACTION
from chatapp.store import Conversation
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray import registry
from chatapp.xray.query import XrayQuery
from chatapp.xray.steps import Answers
from tests.chats import ended
from tests.directs import endless
from tests.serving import Site, serve, until
from tests.test_strict_json import JSON, NUMBER, TEXT


@pytest.fixture
def site(tiny_llama: Path, make_direct) -> Iterator[Site]:
    with serve(make_direct(endless(tiny_llama))) as running:
        yield running


@contextmanager
def visitor(site: Site) -> Iterator[httpx2.Client]:
    """A browser that has seen the page: it has the visitor's cookie."""
    with httpx2.Client(base_url=site.url, trust_env=False, timeout=30) as client:
        client.get("/")
        yield client


def owner(client: httpx2.Client) -> Owner:
    return owner_of(cookie=f"{COOKIE}={client.cookies[COOKIE]}")


def told(site: Site, whose: str) -> Turn:
    """A finished reply of this owner."""

    async def ask() -> Turn:
        turn = await site.chat.send(whose, "Where is Paris?", sampling=Sampling(temperature=0.0, max_tokens=8))
        return await ended(site.chat, turn)

    return site.on_loop(ask())


@pytest.fixture
def asker(site: Site) -> Iterator[tuple[httpx2.Client, Turn]]:
    """A visitor and a reply of theirs."""
    with visitor(site) as me:
        yield me, told(site, owner(me))


def answers(response: httpx2.Response) -> list[dict]:
    return [json.loads(line) for line in response.text.split("\n") if line]  # a text may hold another line end, as U+0085


def test_a_view_comes_in_lines_and_says_when_it_is_done(site: Site) -> None:
    with visitor(site) as me:
        turn = told(site, owner(me))
        response = me.post("/ui/xray", json={"view": "probabilities", "turn": turn.id})
        *parts, end = answers(response)
    assert response.status_code == 200 and end == {"done": True}
    assert any("words" in part for part in parts)
    assert len(parts[-1]["data"]["rows"]) == len(turn.reply_ids)


def test_another_visitor_is_told_there_is_no_such_turn(site: Site) -> None:
    with visitor(site) as me, visitor(site) as you:
        turn = told(site, owner(me))
        (answer,) = answers(you.post("/ui/xray", json={"view": "prompt", "turn": turn.id}))
        (nobody,) = answers(httpx2.post(f"{site.url}/ui/xray", json={"view": "prompt", "turn": turn.id}))
    assert "error" in answer and answer == nobody


NO_QUESTION = {
    "list": b"[]",
    "half": b"{",
    "text": b'"view"',
    "bytes": b"\xff",
    "long": b" " * (MAX_ACTION + 1),
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NO_QUESTION.values(), ids=NO_QUESTION)
def test_what_is_no_question_is_refused_in_words(site: Site, body: bytes) -> None:
    response = httpx2.post(f"{site.url}/ui/xray", content=body)
    status, words = (413, "10,000,000 bytes") if len(body) > MAX_ACTION else (400, "JSON")
    assert response.status_code == status and words in answers(response)[0]["error"]["message"]


def test_another_site_may_not_ask(site: Site) -> None:
    headers = {"sec-fetch-site": "cross-site", "origin": "https://example.org"}
    assert httpx2.post(f"{site.url}/ui/xray", json={"view": "prompt"}, headers=headers).status_code == 403


BY_PROXY = [
    {"x-forwarded-for": "203.0.113.9"},
    {"X-Forwarded-Host": "chat.example.org"},
    {"forwarded": "for=203.0.113.9"},
    {"via": "1.1 vegur"},
    {"x-real-ip": "203.0.113.9"},
    {"cf-connecting-ip": "203.0.113.9"},
    {"origin": "https://chat.example.org", "sec-fetch-site": "same-origin"},
]


LOADING = [
    ("/ui/xray-load", {"model": "/etc"}),
    ("/ui/xray", {"view": "tokenizer", "asked": {"text": "hi", "other": "/etc"}}),
]
"""What makes the server read files by a name that somebody gives."""


@pytest.mark.parametrize("headers", BY_PROXY, ids=str)
@pytest.mark.parametrize(("door", "question"), LOADING, ids=[door for door, _ in LOADING])
def test_who_comes_through_a_proxy_that_asks_for_this_machine_is_a_stranger(
    site: Site, door: str, question: dict, headers: dict[str, str]
) -> None:
    with visitor(site) as me:
        question = {**question, "turn": told(site, owner(me)).id}
        mine = answers(me.post(door, json=question))[-1]["error"]
        assert "/etc" in mine["message"], "the person at this machine reads what is wrong there"
        theirs = answers(me.post(door, json=question, headers=headers))[-1]["error"]
        assert "not through a proxy" in theirs["message"] and "/etc" not in theirs["message"]


def test_so_does_who_speaks_http_1_0_as_nginx_does(site: Site) -> None:
    with visitor(site) as me:
        question = json.dumps({"model": "/etc", "turn": told(site, owner(me)).id})
        token = me.cookies[COOKIE]
    head = f"POST /ui/xray-load HTTP/1.0\r\nHost: 127.0.0.1\r\nCookie: {COOKIE}={token}\r\nContent-Length: {len(question)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.settings.port), timeout=20) as proxy:
        proxy.sendall((head + question).encode())
        answer = b"".join(iter(lambda: proxy.recv(65536), b""))
    assert b"not through a proxy" in answer


def test_behind_a_login_everybody_sees_their_own_turns_only(tiny_llama: Path, make_direct) -> None:
    with serve(make_direct(endless(tiny_llama)), auth=("ann:first", "bob:second")) as site:
        ann, bob, nobody = (httpx2.Client(base_url=site.url, trust_env=False, timeout=30) for _ in range(3))
        assert ann.post("/login", data={"username": "ann", "password": "first"}).status_code == 200
        assert bob.post("/login", data={"username": "bob", "password": "second"}).status_code == 200
        question = {"view": "prompt", "turn": told(site, "user:ann").id}
        assert answers(ann.post("/ui/xray", json=question))[-1] == {"done": True}
        assert "error" in answers(bob.post("/ui/xray", json=question))[0]
        refused = nobody.post("/ui/xray", json=question)
        assert refused.status_code == 401 and "logged in" in answers(refused)[0]["error"]["message"]


@contextmanager
def more_views(*added: registry.View) -> Iterator[None]:
    """Questions that only a test asks."""
    known = registry.views

    def views() -> tuple[registry.View, ...]:
        return (*added, *known())

    registry.views = views
    yield
    registry.views = known


def view_of(answer: Callable[[XrayQuery], Answers]) -> registry.View:
    return registry.View("test", "Test", registry.GROUPS[0], 9, "", {"test": answer})


async def broken(query: XrayQuery) -> Answers:
    """A view with a mistake in it."""
    yield Step("Working")
    raise ZeroDivisionError(len(query.turn.reply_ids))


def test_a_view_that_fails_in_a_way_nobody_foresaw_ends_with_a_sentence(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with visitor(site) as me, more_views(view_of(broken)):
        turn = told(site, owner(me))
        working, end = answers(me.post("/ui/xray", json={"view": "test", "turn": turn.id}))
    assert working["words"] == "Working" and "(ZeroDivisionError)" in end["error"]["message"] and "log has" in end["error"]["message"]
    assert "in broken" in caplog.text, "the traceback is in the log"


def test_a_reply_without_recorded_prompt_cannot_be_measured_and_says_why(site: Site) -> None:
    with visitor(site) as me:
        old = replace(told(site, owner(me)), id="imported", conversation_id="imported", parent_id=None, prompt_ids=(), logprobs=[-1.0] * 8)
        site.chat.store.conversations.add(old.owner, [Conversation("imported", "Old", 1.0, 1.0, False, old.id, [old])])
        (end,) = answers(me.post("/ui/xray", json={"view": "measure", "turn": old.id}))
    assert "no recorded prompt tokens" in end["error"]["message"]


TEXTS = ("layers", "other", "text", "query", "kind")
NUMBERS = ("first", "last", "count", "token", "position")
VIEWS = [question for view in registry.views() for question in view.questions if question not in ("perplexity", "card", "replay")]
LOOSE = st.fixed_dictionaries({}, optional=dict.fromkeys(TEXTS, TEXT | JSON) | dict.fromkeys(NUMBERS, NUMBER | JSON) | {"sampling": JSON})


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(view=st.sampled_from(VIEWS), loose=LOOSE)
def test_any_question_is_answered_to_its_end(asker: tuple[httpx2.Client, Turn], view: str, loose: dict[str, Any]) -> None:
    me, turn = asker
    response = me.post("/ui/xray", content=json.dumps({"asked": loose, "turn": turn.id, "view": view}).encode())
    end = answers(response)[-1]
    assert "done" in end or ("error" in end and end["error"]["status"] != 500)


def test_who_stops_reading_ends_the_work(site: Site) -> None:
    ended_work = threading.Event()

    async def working(query: XrayQuery) -> Answers:
        try:
            yield Step("Working")
            await asyncio.Event().wait()
        finally:
            ended_work.set()

    with visitor(site) as me, more_views(view_of(working)):
        turn = told(site, owner(me))
        with me.stream("POST", "/ui/xray", json={"view": "test", "turn": turn.id}) as response:
            lines = response.iter_lines()
            assert json.loads(next(lines))["words"] == "Working"
            assert not ended_work.is_set()
    assert until(ended_work.is_set)
