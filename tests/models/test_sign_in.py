"""A visitor of a Space signs in with Hugging Face: whose token is whose, once, in time, and that nobody else's browser can end it."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from chatapp.errors import ChatError
from chatapp.models import sign_in
from chatapp.models.accounts import Account, Accounts
from chatapp.models.sign_in import SignIns, provider
from tests.fakehub import FakeHub
from tests.fakeoauth import SECRET, FakeOAuth
from tests.hubs import online

ANN, BOB = "visitor:ann", "visitor:bob"


@pytest.fixture
def oauth() -> Iterator[FakeOAuth]:
    with FakeOAuth() as oauth:
        yield oauth


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[FakeHub, Accounts]]:
    with online(tmp_path / "cache") as (fake, hub):
        fake.users |= {"hf_oauth_of_ann": "ann", "hf_of_owner": "owner"}
        yield fake, Accounts(replace(hub, token=None))


@pytest.fixture
def signing(oauth: FakeOAuth, hub: tuple[FakeHub, Accounts], monkeypatch: pytest.MonkeyPatch) -> SignIns:
    for name, value in oauth.variables.items():
        monkeypatch.setenv(name, value)
    return SignIns(provider(), hub[1])


def allowed(address: str) -> dict[str, str]:
    """The person says yes: with what their browser comes back."""
    location = httpx2.get(address, follow_redirects=False).headers["location"]
    assert location.startswith("https://me-chat.hf.space/login/callback?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def test_the_token_of_a_sign_in_is_its_visitors_and_never_the_owners(
    signing: SignIns, hub: tuple[FakeHub, Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_owner")
    _, accounts = hub
    assert accounts.hub(ANN, local=False).token is False
    signing.end(ANN, **allowed(signing.begin(ANN)))
    assert accounts.account(ANN, local=False) == Account("ann", "space") and accounts.hub(ANN, local=False).token == "hf_oauth_of_ann"
    assert accounts.account(BOB, local=False) == Account("", "") and accounts.hub(BOB, local=False).token is False
    accounts.sign_out(ANN)
    assert accounts.account(ANN, local=False) == Account("", "") and "hf_oauth_of_ann" not in str(vars(accounts))


def test_the_person_is_asked_for_what_the_space_says_and_the_secret_stays_here(signing: SignIns, oauth: FakeOAuth) -> None:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(signing.begin(ANN)).query).items()}
    state = asked.pop("state")
    assert asked == {
        "response_type": "code",
        "client_id": "the-space",
        "redirect_uri": "https://me-chat.hf.space/login/callback",
        "scope": "openid profile gated-repos",
    }
    assert len(state) >= 32 and SECRET not in repr(signing.provider)


def test_another_browser_cannot_end_it_nor_anybody_twice(signing: SignIns, hub: tuple[FakeHub, Accounts]) -> None:
    said = allowed(signing.begin(ANN))
    with pytest.raises(ChatError, match="was not begun in this browser"):
        signing.end(BOB, **said)
    with pytest.raises(ChatError, match="was not begun in this browser"):
        signing.end(ANN, **said)  # its name was used up
    assert hub[1].account(ANN, local=False) == hub[1].account(BOB, local=False) == Account("", "")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"code": "wrong"}, r"Hugging Face refused the sign-in \(Invalid code\)"),
        ({"code": "", "refused": "The user denied it"}, "You were not signed in: Hugging Face says The user denied it"),
        ({"code": ""}, "Hugging Face says nothing"),
    ],
)
def test_what_is_no_consent_is_a_sentence(given: dict[str, str], words: str, signing: SignIns) -> None:
    said = allowed(signing.begin(ANN))
    with pytest.raises(ChatError, match=words):
        signing.end(ANN, said["state"], **given)


def test_a_sign_in_that_waited_too_long_and_a_token_that_ended_are_none(
    signing: SignIns, oauth: FakeOAuth, hub: tuple[FakeHub, Accounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, late = time.monotonic(), allowed(signing.begin(ANN))
    monkeypatch.setattr(time, "monotonic", lambda: now + sign_in.WITHIN + 1)
    with pytest.raises(ChatError, match="too long ago"):
        signing.end(ANN, **late)
    signing.end(ANN, **allowed(signing.begin(ANN)))
    assert hub[1].account(ANN, local=False).name == "ann"
    monkeypatch.setattr(time, "monotonic", lambda: now + sign_in.WITHIN + 2 + oauth.lasts)
    assert hub[1].account(ANN, local=False) == Account("", "") and hub[1].hub(ANN, local=False).token is False


def test_begun_ones_are_bounded(signing: SignIns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "MOST", 3)
    for _ in range(9):
        signing.begin(ANN)
    assert len(signing._begun) == 3


def test_a_token_that_the_hub_does_not_know_signs_nobody_in(signing: SignIns, oauth: FakeOAuth, hub: tuple[FakeHub, Accounts]) -> None:
    oauth.token = "hf_withdrawn"
    with pytest.raises(ChatError, match="does not know this token"):
        signing.end(ANN, **allowed(signing.begin(ANN)))
    assert hub[1].account(ANN, local=False) == Account("", "")


def test_elsewhere_and_where_the_space_does_not_ask_for_it_there_is_no_sign_in(oauth: FakeOAuth, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in oauth.variables.items():
        monkeypatch.setenv(name, value)
    assert provider() is not None
    monkeypatch.delenv("OAUTH_CLIENT_ID")
    assert provider() is None
    monkeypatch.setenv("OAUTH_CLIENT_ID", "x")
    monkeypatch.delenv("SPACE_ID")
    assert provider() is None
