"""Headers, origins, host names, the visitor's cookie and slow logins, on a real server."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from chatapp.identity import COOKIE, TOKEN, new_cookie
from chatapp.pages import api_endpoint
from chatapp.pages.routes import middleware
from chatapp.server import security
from chatapp.server.login_limit import FORGET_AFTER, FREE_TRIES, LONGEST_WAIT, MAX_REMEMBERED, Tries
from chatapp.settings import Settings
from tests.conftest import Scripted
from tests.serving import Site, serve

EVIL = "https://evil.example"
JOIN = "/gradio_api/call/chat"
HELLO = {"data": ["Hi"]}


@pytest.fixture(scope="module")
def engine(tiny_llama: Path) -> Scripted:
    from transformers import AutoTokenizer

    return Scripted(AutoTokenizer.from_pretrained(tiny_llama))


@pytest.fixture(scope="module")
def site(engine: Scripted) -> Iterator[Site]:
    with serve(engine, build=api_endpoint.add, api_key="k") as site:
        yield site


def get(site: Site, path: str = "/", **headers: str) -> httpx2.Response:
    return httpx2.get(site.url + path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def join(site: Site, **headers: str) -> int:
    """The status of a request that would make the model write."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(site.url + JOIN, json=HELLO, headers=headers).status_code


@pytest.mark.parametrize("path", ["/", "/config", "/healthz", "/v1/models", "/nothing/here", "/gradio_api/info"])
def test_every_answer_has_the_policy_headers(site: Site, path: str) -> None:
    headers = get(site, path).headers
    assert "frame-ancestors 'self'" in headers["content-security-policy"] and "hf.space" not in headers["content-security-policy"]
    assert "connect-src 'self'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")


def test_a_space_may_be_framed_by_the_hub_only(site: Site, monkeypatch: pytest.MonkeyPatch, engine: Scripted) -> None:
    monkeypatch.setenv("SPACE_ID", "me/chat")
    policy = security.content_security_policy(security.on_space())
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co https://*.hf.space")
    assert new_cookie(secure=False, space=True).endswith("HttpOnly; SameSite=None; Secure; Partitioned")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": EVIL},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://["},
        {"origin": "http://[x]"},
        {"origin": EVIL, "x_forwarded_host": "evil.example"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"},
    ],
    ids=str,
)
def test_another_sites_page_cannot_use_the_app(site: Site, engine: Scripted, headers: dict[str, str]) -> None:
    asked = len(engine.fed)
    assert join(site, **headers) == 403 and len(engine.fed) == asked


def test_another_sites_page_cannot_read_the_login_token(site: Site) -> None:
    for path in ("/gradio_api/token", "/config", "/"):
        assert get(site, path, origin=EVIL).status_code == 403
        assert get(site, path, sec_fetch_site="cross-site", sec_fetch_mode="cors").status_code == 403


BODIES = [
    b"--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n\xf7\xff\r\n--x--",
    b"\xff",
    b"",
    b"[NaN]",
    b"1",
    b"[" * 100_000,
]


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: ascii(body[:5]))
def test_a_body_that_gradio_cannot_read_is_refused_in_a_sentence(site: Site, body: bytes, kind: str) -> None:
    for path in (JOIN, "/gradio_api/queue/join", "/gradio_api/reset", "/gradio_api/cancel"):
        answer = httpx2.post(site.url + path, content=body, headers={"content-type": kind})
        assert answer.status_code in (400, 422), answer.text
        assert answer.json()["detail"].endswith((".", "parsing the body")), answer.text


@pytest.mark.parametrize("number", [77, -1, 2**32])
def test_an_event_that_is_not_there_is_refused_in_a_sentence(site: Site, number: int) -> None:
    join = {"data": [], "fn_index": number, "session_hash": "s"}
    for path, body in (("/gradio_api/queue/join", join), ("/gradio_api/call/nothing", HELLO), ("/gradio_api/call/v2/nothing", {})):
        answer = httpx2.post(site.url + path, json=body)
        assert (answer.status_code, answer.json()["detail"][:28]) == (404, "There is no such event here.")


@pytest.mark.parametrize("path", ["queue/data?session_hash=unknown", "call/chat/unknown", "call/v2/chat/unknown"])
def test_a_stream_of_an_unknown_session_ends_without_a_crash(path: str, scripted: Scripted, capfd: pytest.CaptureFixture[str]) -> None:
    with serve(scripted, build=api_endpoint.add, around=middleware) as site:
        answer = httpx2.get(f"{site.url}/gradio_api/{path}", timeout=10)
        assert answer.status_code == 200 and "404" in answer.text
    assert "Exception" not in capfd.readouterr().err


def test_the_page_itself_programs_and_links_are_let_in(site: Site) -> None:
    assert join(site) == 200
    assert join(site, origin=site.url) == 200
    assert join(site, origin=site.url, sec_fetch_site="same-origin") == 200
    assert get(site, "/", sec_fetch_site="cross-site", sec_fetch_mode="navigate").status_code == 200
    assert get(site, "/", sec_fetch_site="none", sec_fetch_mode="navigate").status_code == 200


def test_the_api_with_its_key_may_be_used_from_anywhere(site: Site) -> None:
    headers = {"authorization": "Bearer k", "origin": EVIL, "host": "models.internal"}
    assert get(site, "/v1/models", **headers).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", ""])
def test_a_foreign_name_for_this_machine_is_refused(site: Site, host: str) -> None:
    answer = get(site, "/", host=host)
    assert answer.status_code == 403 and "--allowed-hosts" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "localhost:9999", "127.0.0.1", "LOCALHOST:1", "[::1]:7860", "chat.localhost"])
def test_this_machines_own_names_are_allowed(site: Site, host: str) -> None:
    assert get(site, "/", host=host).status_code == 200


def test_an_allowed_host_name_serves_a_proxy(engine: Scripted) -> None:
    with serve(engine, build=api_endpoint.add, allowed_hosts=("Chat.example.org",)) as site:
        assert get(site, "/", host="chat.example.org").status_code == 200
        assert get(site, "/", host="evil.example").status_code == 403
        # A proxy that rewrites Host: the page's own origin is known by name.
        assert join(site, origin="https://chat.example.org") == 200
        assert join(site, origin=EVIL) == 403


@pytest.mark.parametrize(
    ("given", "checked"),
    [({}, True), ({"host": "localhost"}, True), ({"host": "127.0.0.2"}, True), ({"host": "0.0.0.0"}, False), ({"share": True}, False)],
)
def test_host_names_are_checked_exactly_when_they_are_known(given: dict, checked: bool) -> None:
    gate = next(m for m in security.middleware(Settings(**given)) if m.cls is security.Gate)
    assert (gate.kwargs["hosts"] is not None) == checked


def test_the_first_page_gives_a_secret_cookie_and_later_ones_keep_it(site: Site) -> None:
    first = get(site).headers["set-cookie"]
    token = first.split(";")[0].partition("=")[2]
    assert "HttpOnly" in first and "SameSite=Lax" in first and "Max-Age=31536000" in first and "Secure" not in first
    assert TOKEN.fullmatch(token) and get(site).headers["set-cookie"] != first
    assert "set-cookie" not in get(site, cookie=f"other=1; {COOKIE}={token}").headers
    assert "set-cookie" in get(site, cookie=f"{COOKIE}=guessable").headers
    assert "set-cookie" not in get(site, "/gradio_api/info").headers
    assert "Secure" in get(site, x_forwarded_proto="https").headers["set-cookie"]


def test_tries_wait_longer_and_longer_and_are_forgotten() -> None:
    now = [0.0]
    tries, who = Tries(lambda: now[0]), ("1.2.3.4", "ann")
    for _ in range(FREE_TRIES):
        assert tries.wait(who) == 0
        tries.add(who)
    waits = []
    for _ in range(8):
        waits.append(tries.wait(who))
        now[0] += waits[-1]
        assert tries.wait(who) == 0
        tries.add(who)
    assert waits[:3] == [30, 60, 120] and waits[-1] == LONGEST_WAIT
    assert tries.wait(("5.6.7.8", "ann")) == tries.wait(("1.2.3.4", "bob")) == 0
    now[0] += FORGET_AFTER + 1
    assert tries.wait(who) == 0
    tries.add(who)
    assert tries.wait(who) == 0


def test_many_names_do_not_fill_the_memory() -> None:
    tries = Tries()
    for n in range(MAX_REMEMBERED + 50):
        tries.add(("1.2.3.4", str(n)))
    assert len(tries.seen) == MAX_REMEMBERED


def login(site: Site, name: str, password: str, *, multipart: bool = False) -> httpx2.Response:
    fields = {"username": name, "password": password}
    if multipart:  # as the login page sends it
        return httpx2.post(f"{site.url}/login", files={key: (None, value) for key, value in fields.items()})
    return httpx2.post(f"{site.url}/login", data=fields)


def test_guessing_a_password_is_slowed_down_after_five_tries(engine: Scripted) -> None:
    with serve(engine, auth=("ann:secret", "bob:secret")) as site:
        wrong = [login(site, "ann", f"guess {n}", multipart=n % 2 == 0).status_code for n in range(FREE_TRIES)]
        sixth, right = login(site, "ann", "guess"), login(site, " ann ", "secret", multipart=True)
        assert wrong == [400] * FREE_TRIES
        for answer in (sixth, right):
            assert answer.status_code == 429 and 0 < int(answer.headers["retry-after"]) <= 31
            assert "Too many attempts; wait" in answer.json()["detail"] and "password was not looked at" in answer.json()["detail"]
        assert login(site, "bob", "secret").status_code == 200


def test_the_right_password_wipes_the_slate(engine: Scripted) -> None:
    with serve(engine, auth=("ann:secret",)) as site:
        for _ in range(3):
            assert [login(site, "ann", "x").status_code for _ in range(FREE_TRIES - 1)] == [400] * (FREE_TRIES - 1)
            assert login(site, "ann", "secret").status_code == 200


@pytest.mark.parametrize("body", [b"", b"username=\xff&password=%ff", b"{}", b"x" * 70_000])
def test_a_login_that_is_no_form_is_refused_without_a_crash(engine: Scripted, body: bytes) -> None:
    with serve(engine, auth=("ann:secret",)) as site:
        for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "text/plain"):
            answer = httpx2.post(f"{site.url}/login", content=body, headers={"content-type": kind})
            assert 400 <= answer.status_code < 500
