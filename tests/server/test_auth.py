"""Logins: pairs, files of hashes, and that a page behind one stays shut."""

import time
from pathlib import Path

import httpx2
import pytest
from gradio_client import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.errors import ChatError
from chatapp.server.auth import accounts, checker, hash_password, parse_hash, verify
from tests.conftest import Scripted
from tests.serving import serve


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1), st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_hash_verifies_its_own_password_only(password: str, other: str) -> None:
    stored = hash_password(password)
    assert verify(password, stored) and verify(other, stored) == (other == password)
    assert ":" not in stored and hash_password(password) != stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "scrypt$1$2",
        "bcrypt$16384$8$1$AAAA$AAAA",
        "scrypt$16384$8$1$AAAA$",
        "scrypt$x$8$1$AAAA$AAAA",
        "scrypt$99999999$8$1$AA==$AA==",
    ],
)
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a password hash"):
        parse_hash(text)


async def test_pairs_and_files_together_let_in_exactly_their_people(tmp_path: Path) -> None:
    file = tmp_path / "people"
    file.write_text(f"# staff\n\nbob:{hash_password('b:c')}\nzoë:{hash_password('ü')}\n", encoding="utf-8")
    check = checker(["ann:a:b", str(file)])
    assert check is not None
    assert [await check(*pair) for pair in (("ann", "a:b"), ("bob", "b:c"), ("zoë", "ü"))] == [True, True, True]
    assert [await check(*pair) for pair in (("ann", "a"), ("bob", "a:b"), ("eve", "a:b"), ("", ""), ("Ann", "a:b"))] == [False] * 5


def test_no_auth_is_no_check() -> None:
    assert checker(()) is None


async def test_an_unknown_name_costs_as_much_time_as_a_wrong_password() -> None:
    check = checker(["ann:secret"])
    assert check is not None

    async def best(name: str) -> float:
        times = []
        for _ in range(5):
            began = time.process_time()
            await check(name, "wrong")
            times.append(time.process_time() - began)
        return min(times)

    known, unknown = await best("ann"), await best("nobody")
    assert 0.4 < known / unknown < 2.5


@pytest.mark.parametrize("value", ["justaname", ":secret", "ann:", " :x"])
def test_a_value_that_is_no_login_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ChatError, match="Value 2 of --auth") as caught:
        accounts(["ok:ok", value])
    assert "justaname" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [("bob:plain\n", "1 of"), ("# x\nbob\n", "2 of"), ("", "names nobody"), pytest.param(f":{hash_password('x')}", "no name", id="salted")],
)
def test_a_file_with_a_wrong_line_says_which_and_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "people"
    file.write_text(text)
    with pytest.raises(ChatError, match=says) as caught:
        accounts([str(file)])
    assert "plain" not in str(caught.value)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ChatError, match="ann twice"):
        accounts(["ann:1", "ann:2"])


def test_a_login_opens_the_page_and_says_who_it_is(scripted: Scripted) -> None:
    from chatapp.pages import api_endpoint

    with serve(scripted, build=api_endpoint.add, auth=("ann:secret",), api_key="k") as site:
        assert httpx2.get(f"{site.url}/config").status_code == 401
        assert httpx2.post(f"{site.url}/gradio_api/call/chat", json={"data": ["Hi"]}).status_code == 401
        assert httpx2.get(f"{site.url}/v1/models").status_code == 401
        assert httpx2.get(f"{site.url}/v1/models", headers={"authorization": "Bearer k"}).status_code == 200
        client = Client(site.url, auth=("ann", "secret"), verbose=False)
        assert client.predict("Hi", api_name="/chat") == "Hello world"
        assert len(site.chat.store.conversations.listed("user:ann")) == 1
        # A login does not open /v1.
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        assert httpx2.get(f"{site.url}/v1/models", headers={"cookie": cookies}).status_code == 401
        client.close()
