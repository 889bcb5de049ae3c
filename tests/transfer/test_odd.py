"""Odd values in a file: refused by name, or taken so that every kind of export still works; what an older program took is exported, too."""

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp import transfer
from chatapp.errors import ChatError
from chatapp.store import Conversation, Store, erase
from chatapp.store.limits import TIME
from chatapp.transfer import import_file
from chatapp.turn import Message, Span, Timings, Turn
from tests.transfer.test_transfer import CHATGPT, OPEN_WEBUI, change, written
from tests.turns import ME, TEXT, turns_of

ODD = (
    st.none() | st.booleans() | st.floats() | st.sampled_from([10**30, -(2**64), 1e300, 10**400]) | TEXT | st.lists(st.floats(), max_size=2)
)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


def turn(**more: Any) -> Turn:
    """One with a number in every place that has numbers."""
    given = {"history": (Message("user", "before"),), "spans": (Span(0, 2, "content", "user", 0),), "prompt_ids": (1, 2), "seed": 7}
    return Turn(ME, "old", "Hi", finish_reason="end", **{**given, "reply_ids": [3], "logprobs": [-1.0], "versions": {"torch": "2"}, **more})


def conversation(turn: Turn, created: float = 1.0, updated: float = 2.0) -> Conversation:
    return Conversation("old", "Old", created, updated, False, turn.id, [turn])


def places(value: Any, at: str = "") -> Iterator[str]:
    """Every path into plain data, as `change` takes it."""
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield f"{at}{name}"
        yield from places(inner, f"{at}{name}.")


OWN = json.loads(json.dumps({"format": "chatapp", "version": 2, "conversations": [conversation(turn()).as_dict()]}))


def assert_whole(store: Store) -> None:
    """Every export can be written, and the list holds only what JSON has."""
    for kind in transfer.SUFFIXES:
        written(store, kind).encode()
    json.dumps([vars(summary) for summary in store.conversations.listed(ME)], allow_nan=False)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_an_odd_value_anywhere_is_refused_in_words_or_can_be_exported(store: Store, data: st.DataObject) -> None:
    file = copy.deepcopy(data.draw(st.sampled_from([OWN, CHATGPT, OPEN_WEBUI])))
    change("file." + data.draw(st.sampled_from(list(places(file)))), data.draw(ODD))({"file": file})
    erase.everything(store.database, ME)
    try:
        import_file(store, ME, json.dumps(file).encode())
    except ChatError:
        assert store.conversations.ids(ME) == []
    assert_whole(store)


def test_what_an_older_program_took_is_exported_listed_and_imported_again(store: Store) -> None:
    odd = turn(
        created=math.inf,
        timings=Timings(math.inf, -math.inf, 1e300),
        seed=2**40,
        spans=(Span(-1, 10**400, "content", None, None),),
        reply_ids=[3, 4],
        logprobs=[math.inf, -1.0],
    )
    store.conversations.add(ME, [conversation(odd, math.inf, 1e300)])
    assert_whole(store)
    assert "at a time that is not known" in written(store, "markdown")
    before = written(store, "json")
    erase.everything(store.database, ME)
    import_file(store, ME, before.encode())
    assert written(store, "json") == before
    (back,) = turns_of(store, ME, "old")
    assert (back.created, back.timings, back.seed) == (TIME[1], Timings(TIME[1], 0.0, TIME[1]), None)
    assert (back.logprobs, back.spans) == ([None, -1.0], (Span(0, 2**31 - 1, "content", None, None),))


def test_ids_that_an_older_program_took_and_that_no_vocabulary_has_are_left_out_of_an_export(store: Store) -> None:
    store.conversations.add(ME, [conversation(turn(prompt_ids=(5, -1), prefix_tokens=1, reply_ids=[2**30, 3], logprobs=[-1.0, None]))])
    before = written(store, "json")
    erase.everything(store.database, ME)
    import_file(store, ME, before.encode())
    (back,) = turns_of(store, ME, "old")
    assert (back.prompt_ids, back.prefix_tokens, back.reply_ids, back.logprobs, back.user) == ((), 0, [], [], "Hi")


def test_brackets_that_can_just_be_read_are_refused_in_words(store: Store) -> None:
    for depth in range(500, 1000, 7):
        file = json.dumps(CHATGPT).replace('"A graph."', "[" * depth + "]" * depth)
        try:
            import_file(store, ME, file.encode())
        except ChatError as error:
            assert "nested too deep" in str(error) or "no usable JSON" in str(error)
