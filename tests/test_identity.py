"""Who asks: owners are kept apart, hold no secret, and stay what is stored; strangers are told apart by address."""

import pytest

from chatapp.identity import COOKIE, Owner, address_of, login_key, login_name, login_of, new_cookie, owner_of, owner_of_key, visitor_token
from tests.fixtures import names


def test_owners_differ_by_login_then_cookie_then_session_and_hold_no_secret() -> None:
    token = new_cookie(secure=False, space=False).split(";")[0]
    visitor = owner_of(cookie=token, session="s1")
    assert visitor == owner_of(cookie=f"a=b; {token}", session="s2")
    assert visitor.startswith("visitor:") and token.partition("=")[2] not in visitor
    assert owner_of(login="ann", cookie=token) == "user:ann"
    session = owner_of(session="s1")
    assert session.startswith("session:") and len(session) == len("session:") + 64
    assert session == owner_of(session="s1") != owner_of(session="s2")
    assert owner_of() != owner_of() and owner_of(session="") != owner_of(session="")


def test_owners_are_those_under_which_earlier_versions_stored() -> None:
    assert owner_of(cookie=f"{COOKIE}={names.VISITOR_COOKIE}") == names.ME
    assert owner_of(login="ann") == names.LOGIN
    assert owner_of_key(names.API_KEY) == names.PROGRAM


def test_only_a_login_has_a_name() -> None:
    assert login_of(owner_of(login="ann")) == "ann"
    assert {login_of(owner) for owner in (owner_of(session="user:ann"), owner_of_key("user:ann"))} == {""}


def test_a_login_is_found_by_either_of_its_cookies() -> None:
    tokens = {"t1": "ann"}
    assert login_name("x", {"access-token-x": "t1"}, tokens) == login_name("x", {"access-token-unsecure-x": "t1"}, tokens) == "ann"
    assert login_name("x", {"access-token-x": "gone", "access-token-y": "t1"}, tokens) is None


def test_a_logins_key_in_the_browser_is_its_own_and_others_have_none() -> None:
    ann, bob = login_key(Owner("user:ann")), login_key(Owner("user:bob"))
    assert len({ann, bob, ""}) == 3 and "ann" not in ann
    assert login_key(Owner("visitor:abc")) == login_key(Owner("session:abc")) == ""


@pytest.mark.parametrize(
    ("host", "owner", "address"),
    [
        ("1.2.3.4", "visitor:a", "1.2.3.4"),
        ("1.2.3.4", "session:a", "1.2.3.4"),
        ("::ffff:1.2.3.4", "visitor:a", "1.2.3.4"),
        ("2001:db8::1", "visitor:a", "2001:db8::/64"),
        ("2001:db8::ffff:2", "visitor:b", "2001:db8::/64"),
        ("1.2.3.4", "user:ann", ""),
        ("127.0.0.1", "visitor:a", ""),
        ("127.0.0.1", "session:a", "127.0.0.1"),
        ("", "visitor:a", ""),
    ],
)
def test_an_address_stands_for_strangers_only(host: str, owner: str, address: str) -> None:
    assert address_of(host, Owner(owner)) == address


def test_all_visitors_of_a_space_come_from_its_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ann/chat")
    assert (address_of("10.16.1.1", Owner("visitor:a")), address_of("10.16.1.1", Owner("session:a"))) == ("", "10.16.1.1")


@pytest.mark.parametrize("cookie", [f"{COOKIE}=short", f"{COOKIE}=", "=;;=", f"{COOKIE}={'x' * 23}", "\x00"])
def test_a_cookie_we_did_not_make_names_nobody(cookie: str) -> None:
    assert visitor_token(cookie) is None
