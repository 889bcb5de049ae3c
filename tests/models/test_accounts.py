"""As whom the Hub is asked: a token typed for one browser stays with it, in memory, and goes to the Hub alone."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.accounts import Account, Accounts
from chatapp.models.hub_access import Hub
from tests.fakehub import FakeHub
from tests.hubs import online

ANN, BOB = "visitor:ann", "visitor:bob"


@pytest.fixture
def hubs(tmp_path: Path) -> Iterator[tuple[FakeHub, Hub]]:
    with online(tmp_path / "cache") as (fake, hub):
        fake.users |= {"hf_of_ann": "ann", "hf_of_machine": "machine"}
        yield fake, replace(hub, token=None)


def test_a_typed_token_is_of_one_browser_until_it_is_forgotten(hubs: tuple[FakeHub, Hub]) -> None:
    accounts = Accounts(hubs[1])
    accounts.type(ANN, " hf_of_ann\n")
    assert accounts.account(ANN, local=True) == Account("ann", "typed")
    assert accounts.hub(ANN, local=True).token == "hf_of_ann"
    assert accounts.account(BOB, local=True) == Account("", "")
    accounts.type(ANN, "")
    assert accounts.account(ANN, local=True) == Account("", "")
    assert len([path for path, token in hubs[0].tokens if token == "hf_of_ann"]) == 1, "it is asked once who that is"


def test_the_machines_own_account_is_for_the_person_at_it(hubs: tuple[FakeHub, Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_machine")
    accounts = Accounts(hubs[1])
    assert accounts.account(ANN, local=True) == Account("machine", "environment")
    assert accounts.account(ANN, local=False) == Account("", "")
    assert accounts.hub(ANN, local=False).token is False


@pytest.mark.parametrize(
    ("token", "words"), [("hf_unknown1", "does not know this token"), ("two words", "This is no token"), ("x", "no token")]
)
def test_what_is_no_token_is_refused_and_the_one_before_stays(token: str, words: str, hubs: tuple[FakeHub, Hub]) -> None:
    accounts = Accounts(hubs[1])
    accounts.type(ANN, "hf_of_ann")
    with pytest.raises(ChatError, match=words) as refused:
        accounts.type(ANN, token)
    assert token not in str(refused.value) or token == "x"
    assert accounts.account(ANN, local=True).name == "ann"


def test_without_the_hub_the_account_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_of_machine")
    account = Accounts(Hub("http://127.0.0.1:9", tmp_path)).account(ANN, local=True)
    assert account.name == "" and "The Hub cannot be reached" in account.problem
