"""Replies without an end, on both databases: the cheap look, Stop through the store, and what a dead process left."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from chatapp.errors import NotFound
from chatapp.store import Store
from chatapp.turn import Timings
from tests.turns import ME, YOU, asked, died


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


@pytest.fixture
def other(store_url: str, store: Store) -> Iterator[Store]:
    """The same database from another process, as far as the store can tell."""
    other = Store(store_url)
    yield other
    other.close()


def test_a_look_is_another_one_when_the_reply_is_and_names_who_writes_it(store: Store, other: Store) -> None:
    turn = asked(store, "one", reply=None)
    first = other.running.look(ME, turn.id)
    assert first == other.running.look(ME, turn.id) and (first.reason, first.runner) == ("", store.runner.id)
    turn.reply_text, turn.timings = "a", Timings(started=1.0, generating=0.1)
    assert store.progress(turn) == ""
    assert other.running.look(ME, turn.id) != first
    store.finish(replace(turn, finish_reason="end"))
    assert other.running.look(ME, turn.id)[:2] == ("end", "")


def test_stop_reaches_the_writer_at_its_next_save_and_its_last_words_are_kept(store: Store, other: Store) -> None:
    turn, neighbour = asked(store, "one", reply=None), asked(store, "two", conversation="c2", reply=None)
    other.running.stop(ME, turn.id)
    turn.reply_text = "seen"
    assert (store.progress(turn), store.reason(turn), store.reason(neighbour)) == ("stopped", "stopped", "")
    assert other.turn(ME, turn.id).reply_text == "" and other.running.look(ME, turn.id).runner == store.runner.id
    store.finish(replace(turn, finish_reason="stopped"))
    assert other.turn(ME, turn.id).reply_text == "seen" and other.running.look(ME, turn.id).runner == ""
    assert [s.id for s in other.conversations.listed(ME, "seen")] == ["c1"]


def test_stop_changes_nothing_of_what_has_ended(store: Store, other: Store) -> None:
    turn = asked(store, "one", reply="done")
    other.running.stop(ME, turn.id)
    other.running.stop_all(ME, None)
    assert store.turn(ME, turn.id) == turn


@pytest.mark.parametrize(("conversation", "stopped"), [("c1", ["stopped", "", ""]), (None, ["stopped", "stopped", ""])])
def test_stop_all_takes_one_conversation_or_all_of_the_owners(store: Store, other: Store, conversation, stopped) -> None:
    turns = [asked(store, "q", conversation=c, owner=o, reply=None) for c, o in (("c1", ME), ("c2", ME), ("c3", YOU))]
    store.running.stop_all(ME, conversation)
    assert [store.reason(turn) for turn in turns] == ["", "", ""], "its own are ended by their jobs"
    other.running.stop_all(ME, conversation)
    assert [store.reason(turn) for turn in turns] == stopped


def test_what_runs_below_a_turn_is_found_the_last_begun_first(store: Store) -> None:
    top = asked(store, "top")
    beside = asked(store, "beside", top, reply=None)
    middle = asked(store, "middle", top)
    first = asked(store, "first", middle, reply=None)
    last = asked(store, "last", first, reply=None)
    assert store.running.below(ME, middle.id) == [last.id, first.id]
    assert store.running.below(ME, top.id) == [last.id, first.id, beside.id]
    assert store.running.below(ME, last.id) == [last.id]


def test_a_stranger_sees_and_stops_nothing(store: Store) -> None:
    turn = asked(store, "one", reply=None)
    for attempt in (store.running.look, store.running.stop, store.running.below):
        with pytest.raises(NotFound):
            attempt(YOU, turn.id)
    store.running.stop_all(YOU, None)
    store.running.stop_all(YOU, "c1")
    assert store.turn(ME, turn.id).running


def test_who_sees_what_a_dead_process_left_interrupts_it(store: Store, other: Store) -> None:
    turn, beside = asked(store, "one", reply=None), asked(store, "two", conversation="c2", reply=None)
    assert other.running.look(ME, turn.id).reason == ""
    died(store, other)
    assert other.running.look(ME, turn.id).reason == "interrupted"
    assert not other.turn(ME, beside.id).running, "the others that it left, too"
