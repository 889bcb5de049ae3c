"""/chat through the real gradio_client: it streams, remembers, keeps people apart, stops, and costs next to nothing."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise

import httpx2
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from chatapp.errors import ChatError
from chatapp.pages import api_endpoint
from chatapp.sampling import Sampling
from tests.conftest import Scripted
from tests.serving import Site, serve, until
from tests.turns import turns_of


@pytest.fixture
def site(scripted: Scripted) -> Iterator[Site]:
    with serve(scripted, build=api_endpoint.add) as site:
        yield site


@pytest.fixture
def connect(site: Site) -> Iterator[Callable[[], Client]]:
    """Makes clients, closed before the server is."""
    with ExitStack() as clients:

        def connect() -> Client:
            client = Client(site.url, verbose=False)
            clients.callback(client.close)
            return client

        yield connect


def test_the_whole_reply_comes_with_the_settings_asked_for(scripted: Scripted, connect: Callable[[], Client]) -> None:
    reply = connect().predict("Hi", temperature=0, top_k=3, max_tokens=50, seed=7, stop="a\nb", api_name="/chat")
    assert reply == "Hello world"
    assert scripted.samplings == [Sampling(temperature=0, top_k=3, max_tokens=50, seed=7, stop=("a", "b"))]


def test_values_by_position_keep_their_places_and_later_settings_may_be_left_out(site: Site, scripted: Scripted) -> None:
    places = {"message": "Hi", "system": "", "temperature": 0, "top_p": 1, "top_k": 3, "max_tokens": 50, "min_p": 0.1}
    places |= {"repetition_penalty": 1.1, "seed": 7, "stop": "a", "conversation_id": ""}
    for more in ([], [0.5]):
        call = f"{site.url}/gradio_api/call/chat"
        event = httpx2.post(call, json={"data": [*places.values(), *more]}).json()["event_id"]
        assert "event: complete" in httpx2.get(f"{call}/{event}").text
    values = {name: places[name] for name in list(places)[2:9]}
    expected = Sampling(**values, stop=("a",))
    assert scripted.samplings == [expected, replace(expected, typical_p=0.5)]


def test_the_reply_grows_while_the_model_writes_and_ends_whole(scripted: Scripted, connect: Callable[[], Client]) -> None:
    scripted.words, scripted.delay = [f" {n}" for n in range(100)], 0.01
    seen = list(connect().submit("Hi", api_name="/chat"))
    assert 5 <= len(seen) <= 1.0 / api_endpoint.STEP_SECONDS + 10
    assert all(later.startswith(earlier) for earlier, later in pairwise(seen))
    assert seen[-1] == "".join(scripted.words)


def test_a_reply_without_a_word_is_empty_text(scripted: Scripted, connect: Callable[[], Client]) -> None:
    scripted.words = []
    job = connect().submit("Hi", api_name="/chat")
    assert job.result() == "" and job.outputs() == [""]


def test_a_name_goes_on_with_a_conversation_and_the_system_prompt_is_used(
    site: Site, scripted: Scripted, connect: Callable[[], Client]
) -> None:
    client = connect()
    for question in ("One", "Two"):
        client.predict(question, system="Be brief.", conversation_id="mine", api_name="/chat")
    prompt = scripted.tokenizer.decode(scripted.fed[-1])
    assert prompt.index("Be brief.") < prompt.index("One") < prompt.index("Hello world") < prompt.index("Two")


def test_a_name_whose_conversation_was_deleted_begins_a_new_one(site: Site, scripted: Scripted, connect: Callable[[], Client]) -> None:
    client = connect()
    client.predict("One", conversation_id="mine", api_name="/chat")
    (owner,) = site_owners(site)
    (old,) = site.chat.store.conversations.listed(owner)
    site.chat.store.conversations.delete(owner, old.id)
    for question in ("Two", "Three"):
        assert client.predict(question, conversation_id="mine", api_name="/chat") == "Hello world"
    (new,) = site.chat.store.conversations.listed(owner)
    assert [turn.user for turn in turns_of(site.chat.store, owner, new.id)] == ["Two", "Three"] and "One" not in scripted.tokenizer.decode(
        scripted.fed[-1]
    )
    with pytest.raises(AppError, match="not found"):
        client.predict("Four", conversation_id=old.id, api_name="/chat")


def test_clients_are_kept_apart(site: Site, scripted: Scripted, connect: Callable[[], Client]) -> None:
    ann, bob = connect(), connect()
    ann.predict("A secret", conversation_id="ours", api_name="/chat")
    bob.predict("Hello", conversation_id="ours", api_name="/chat")
    assert "A secret" not in scripted.tokenizer.decode(scripted.fed[-1])
    (secret,) = (key for key in site_owners(site) if site.chat.store.conversations.listed(key)[0].title == "A secret")
    with pytest.raises(AppError, match="not found"):
        bob.predict("Show", conversation_id=site.chat.store.conversations.listed(secret)[0].id, api_name="/chat")


def site_owners(site: Site) -> set[str]:
    """Owners of everything stored, read past the store's own check."""
    import sqlalchemy as sa

    with site.chat.store.database.read() as connection:
        return set(connection.execute(sa.text("select distinct owner from conversations")).scalars())


def test_owners_are_visitors_by_cookie_and_hashed(site: Site, connect: Callable[[], Client]) -> None:
    client = connect()
    client.predict("Hi", api_name="/chat")
    (owner,) = site_owners(site)
    assert owner.startswith("visitor:") and client.cookies["chatapp_visitor"] not in owner


def test_cancel_stops_the_model_and_keeps_what_was_written(site: Site, scripted: Scripted, connect: Callable[[], Client]) -> None:
    scripted.words, scripted.delay = ["x"] * 1000, 0.01
    job = connect().submit("Hi", api_name="/chat")
    assert until(lambda: scripted.steps > 5)
    job.cancel()
    assert until(lambda: scripted.closed == 1) and scripted.steps < 500
    (owner,) = site_owners(site)
    (row,) = site.chat.store.conversations.listed(owner)
    assert until(lambda: turns_of(site.chat.store, owner, row.id)[0].finish_reason == "stopped")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"temperature": 9}, "Temperature is 9"),
        ({"seed": -1}, "Seed is -1"),
        ({"conversation_id": "0" * 32}, "not found"),
        ({"system": 5, "conversation_id": 5}, "system and conversation_id must be text"),
    ],
)
def test_a_wrong_value_is_answered_with_the_sentence(connect: Callable[[], Client], wrong: dict, says: str) -> None:
    with pytest.raises(AppError, match=says):
        connect().predict("Hi", **wrong, api_name="/chat")


def test_null_is_the_default(connect: Callable[[], Client]) -> None:
    assert connect().predict("Hi", system=None, stop=None, conversation_id=None, seed=None, api_name="/chat") == "Hello world"


def test_a_failure_of_the_model_reaches_the_client(scripted: Scripted, connect: Callable[[], Client]) -> None:
    scripted.fail_after, scripted.failure = 1, ChatError("The GPU ran out of memory. Ask for less.")
    with pytest.raises(AppError, match="ran out of memory"):
        connect().predict("Hi", api_name="/chat")


def test_names_are_forgotten_before_they_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from chatapp.turn import Turn

    monkeypatch.setattr(api_endpoint, "MAX_NAMES", 2)
    names = api_endpoint.Names()
    for name in ("a", "b", "c"):
        names.keep(Turn("me", f"id-{name}", "Hi"), name)
    assert [names.find("me", name) for name in ("a", "b", "c")] == [None, "id-b", "id-c"]
    assert names.find("you", "c") is None and names.find("you", "f" * 32) == "f" * 32
