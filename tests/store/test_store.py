"""The store keeps what it is given, shows it to its owner only, and keeps every tree whole; on SQLite and on PostgreSQL."""

import inspect
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from chatapp.errors import ChatError, NotFound
from chatapp.settings import Settings
from chatapp.store import Conversation, Store, erase, schema
from chatapp.store.record import MAX_TITLE, title_of
from chatapp.turn import Turn, new_id
from tests.turns import ME, YOU, all_of, asked, died, drafts_of, put_draft, turns, turns_of

SHARED = settings(
    max_examples=40, deadline=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    yield store
    store.close()


def texts(path: list[Turn]) -> list[str]:
    return [turn.user for turn in path]


# what goes in comes out


def test_every_field_of_a_turn_has_a_column() -> None:
    kept = {"owner", *schema.TURN_FIELDS, *schema.PROMPT_FIELDS}
    assert {field.name for field in fields(Turn)} == kept


@SHARED
@given(data=st.data())
def test_any_turn_comes_back_exactly(store: Store, data: st.DataObject) -> None:
    conversation = new_id()
    turn = data.draw(turns(ME, conversation))
    store.begin(replace(turn, finish_reason=""))
    store.finish(turn)
    assert store.turn(ME, turn.id) == turn
    store.conversations.listed(ME, turn.user)  # whatever was typed is also a harmless query
    assert turns_of(store, ME, conversation) == [turn]


def test_progress_is_on_disk_before_the_end(store: Store, store_url: str) -> None:
    turn = asked(store, "Question", reply=None)
    turn.prompt_ids, turn.reply_ids, turn.logprobs, turn.reply_text = (1, 2, 3), [7, 8], [-0.5, None], "Hel"
    store.progress(turn)
    other = Store(store_url)
    assert other.turn(ME, turn.id) == turn
    turn.reply_ids.append(9)
    turn.reply_text = "Hello"
    store.progress(turn)
    assert other.turn(ME, turn.id) == turn
    other.close()


def test_late_progress_does_not_undo_the_end(store: Store) -> None:
    turn = asked(store, "Question", reply=None)
    store.finish(replace(turn, reply_text="whole", finish_reason="end"))
    store.progress(replace(turn, reply_text="who"))
    assert store.turn(ME, turn.id).reply_text == "whole"
    assert not store.turn(ME, turn.id).running


def test_the_store_of_the_settings_is_in_the_data_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a ?#% b" / "ü"
    store = Store.open(Settings(data_dir=folder))
    asked(store, "one")
    assert (folder / "chat.db").stat().st_size and store.where == str(folder / "chat.db")
    store.close()


def test_the_database_url_of_the_settings_wins(tmp_path: Path) -> None:
    store = Store.open(Settings(data_dir=tmp_path / "data", database_url="sqlite://"))
    assert store.where == "in memory" and not (tmp_path / "data").exists()


# trees


def versions(store: Store, turn: Turn) -> list[str]:
    """The ids of the turns in its place."""
    return store.outline(ME, turn.conversation_id, turn.id).versions[turn.id]


def test_path_follows_the_leaf_and_versions_are_siblings(store: Store) -> None:
    first = asked(store, "one")
    second = asked(store, "two", first)
    again = asked(store, "two again", first)
    deeper = asked(store, "three", again)
    assert texts(turns_of(store, ME, "c1")) == ["one", "two again", "three"]
    assert versions(store, second) == versions(store, again) == [second.id, again.id]
    assert texts(store.outline(ME, "c1", second.id).turns) == ["one", "two"]
    store.select(ME, second.id)
    assert texts(turns_of(store, ME, "c1")) == ["one", "two"]
    store.select(ME, again.id)
    assert turns_of(store, ME, "c1")[-1] == deeper


def test_an_edited_first_question_is_a_version_of_it(store: Store) -> None:
    first, other = asked(store, "one"), asked(store, "one, edited")
    assert versions(store, other) == [first.id, other.id]
    assert texts(turns_of(store, ME, "c1")) == ["one, edited"]


def test_deleting_a_turn_keeps_what_follows_or_not(store: Store) -> None:
    first = asked(store, "one")
    second = asked(store, "two", first)
    asked(store, "three", second)
    store.delete_turn(ME, second.id, keep_children=True)
    assert texts(turns_of(store, ME, "c1")) == ["one", "three"]
    store.delete_turn(ME, first.id, keep_children=True)
    assert texts(turns_of(store, ME, "c1")) == ["three"]
    store.delete_turn(ME, turns_of(store, ME, "c1")[0].id, keep_children=False)
    assert turns_of(store, ME, "c1") == []
    assert asked(store, "afresh") == turns_of(store, ME, "c1")[0]


def test_deleting_a_branch_moves_to_the_one_beside_it(store: Store) -> None:
    first = asked(store, "one")
    asked(store, "two", first)
    again = asked(store, "two again", first)
    asked(store, "three", again)
    store.delete_turn(ME, again.id, keep_children=False)
    assert texts(turns_of(store, ME, "c1")) == ["one", "two"]


def test_a_conversation_that_is_full_does_not_run_into_the_next(store: Store) -> None:
    first = asked(store, "one")
    asked(store, "next door", conversation="c2")
    with store.database.write() as connection:
        last = schema.turns.c.seq + schema.ROOM - 2
        connection.execute(schema.turns.update().where(schema.turns.c.id == first.id).values(seq=last))
    with pytest.raises(ChatError, match="the most it can hold"):
        asked(store, "two", first)
    assert texts(turns_of(store, ME, "c1")) == ["one"]


def test_deleting_far_down_a_long_conversation_works(store: Store) -> None:
    """SQLite cascades at most 1000 levels deep; a conversation may be longer."""
    chain: list[Turn] = []
    for n in range(1200):
        chain.append(Turn(ME, "c1", str(n), parent_id=chain[-1].id if chain else None, created=float(n), finish_reason="end"))
    store.conversations.add(ME, [Conversation("c1", "Long", 1.0, 1.0, turns=chain, leaf=chain[-1].id)])
    assert len(turns_of(store, ME, "c1")) == 1200
    store.delete_turn(ME, chain[5].id, keep_children=False)
    assert texts(turns_of(store, ME, "c1")) == ["0", "1", "2", "3", "4"]
    assert erase.everything(store.database, ME) == 1


ACTIONS = st.lists(st.tuples(st.sampled_from(["ask", "edit", "delete", "cut", "select"]), st.integers(0, 99)), max_size=25)


@SHARED
@given(actions=ACTIONS)
def test_any_sequence_of_edits_keeps_the_tree_whole_and_loses_no_text(store: Store, actions: list[tuple[str, int]]) -> None:
    conversation = new_id()
    alive: dict[str, Turn] = {}
    asked_first = asked(store, "root", conversation=conversation)
    alive[asked_first.id] = asked_first
    for action, pick in actions:
        chosen = sorted(alive.values(), key=lambda turn: turn.created)[pick % len(alive)] if alive else None
        act(store, conversation, alive, action, chosen)
        whole = store.conversations.whole(ME, conversation)
        assert {turn.id: turn.user for turn in whole.turns} == {id: turn.user for id, turn in alive.items()}
        assert all(turn.parent_id is None or turn.parent_id in alive for turn in whole.turns)
        path = turns_of(store, ME, conversation)
        assert path == whole.path() and bool(path) == bool(alive)
        assert not path or path[-1].id not in {turn.parent_id for turn in whole.turns}


def act(store: Store, conversation: str, alive: dict[str, Turn], action: str, chosen: Turn | None) -> None:
    if chosen is None or action in ("ask", "edit"):
        parent = chosen if action == "ask" or chosen is None else alive.get(store.turn(ME, chosen.id).parent_id or "")
        turn = asked(store, f"{action} {len(alive)}", parent, conversation=conversation)
        alive[turn.id] = turn
    elif action == "select":
        store.select(ME, chosen.id)
    else:
        store.delete_turn(ME, chosen.id, keep_children=action == "delete")
        left = {turn.id for turn in store.conversations.whole(ME, conversation).turns}
        assert chosen.id not in left and (action == "cut" or len(left) == len(alive) - 1)
        for id in set(alive) - left:
            del alive[id]


# the list


def test_the_title_is_the_first_line_of_the_question(store: Store) -> None:
    asked(store, "  What is\na tree?\t" + "x" * 99)
    title = store.conversations.listed(ME)[0].title
    assert title.startswith("What is a tree? xxx") and title.endswith("x…") and len(title) == 60


def test_a_long_title_ends_after_a_word_and_says_that_it_is_cut() -> None:
    asked = "Explain to a ten-year-old why the sky is blue, in five sentences."
    assert title_of(asked) == "Explain to a ten-year-old why the sky is blue, in five…"
    assert title_of("a" * 59 + " b c") == "a" * 59 + "…"
    assert title_of("Say " + "word, " * 20) == "Say word, word, word, word, word, word, word, word, word…"
    assert title_of("漢" * 70) == "漢" * 59 + "…"
    assert title_of("x" * 60) == "x" * 60 and title_of(" \n") == "New chat"


def test_an_attached_file_is_in_a_title_only_where_nothing_was_said() -> None:
    file = "File: notes.md\n````\n# Notes\n```\n````"
    assert title_of(f"Sum this up.\n\n{file}") == "Sum this up."
    assert title_of(file) == "notes.md"
    assert title_of("File: notes.md, which I lost") == "File: notes.md, which I lost"


def test_pinned_come_first_then_the_latest(store: Store) -> None:
    for name in "abc":
        asked(store, name, conversation=name)
    store.conversations.pin(ME, "a")
    assert [s.id for s in store.conversations.listed(ME)] == ["a", "c", "b"]
    assert [s.id for s in store.conversations.listed(ME, limit=2)] == ["a", "c"]
    store.conversations.pin(ME, "a", False)
    assert [s.id for s in store.conversations.listed(ME)] == ["c", "b", "a"]


def test_renaming_trims_and_refuses_nothing_and_too_much(store: Store) -> None:
    asked(store, "one")
    store.conversations.rename(ME, "c1", "  My\n title ")
    assert store.conversations.summary(ME, "c1").title == "My title"
    for bad in ("", " \n ", "x" * (MAX_TITLE + 1)):
        with pytest.raises(ChatError, match="1 to 200"):
            store.conversations.rename(ME, "c1", bad)
    assert [s.id for s in store.conversations.listed(ME, "title")] == ["c1"]


def test_a_running_reply_shows_in_the_list(store: Store) -> None:
    turn = asked(store, "one", reply=None)
    assert store.conversations.listed(ME)[0].running
    store.finish(replace(turn, finish_reason="end"))
    assert not store.conversations.listed(ME)[0].running


# deleting


def test_delete_can_be_undone_and_a_running_reply_goes_on_meanwhile(store: Store) -> None:
    turn = asked(store, "one", reply=None)
    store.conversations.delete(ME, "c1")
    assert store.conversations.listed(ME) == [] and store.conversations.listed(ME, "one") == []
    turn.reply_text, turn.finish_reason = "whole reply", "end"
    store.finish(turn)
    assert store.conversations.listed(ME) == []
    with pytest.raises(NotFound):
        turns_of(store, ME, "c1")
    store.conversations.restore(ME, "c1")
    assert turns_of(store, ME, "c1") == [turn]


def test_a_reply_does_not_bring_back_what_was_erased(store: Store) -> None:
    turn = asked(store, "one", reply=None)
    erase.everything(store.database, ME)
    for write, ended in ((store.progress, ""), (store.reason, ""), (store.finish, "end")):
        with pytest.raises(NotFound):
            write(replace(turn, reply_text="ghost", finish_reason=ended))
    with pytest.raises(NotFound):
        store.turn(ME, turn.id)
    assert store.conversations.listed(ME) == [] and store.conversations.listed(ME, "ghost") == []


def test_delete_all_takes_only_the_owners_own(store: Store) -> None:
    asked(store, "mine", conversation="c1")
    store.conversations.delete(ME, "c1")
    asked(store, "mine too", conversation="c2")
    asked(store, "yours", conversation="c3", owner=YOU)
    put_draft(store, ME, "unsent")
    assert erase.everything(store.database, ME) == 2
    assert drafts_of(store, ME) == []
    assert texts(turns_of(store, YOU, "c3")) == ["yours"]
    assert len(store.conversations.listed(YOU, "yours")) == 1
    with pytest.raises(NotFound):
        store.conversations.restore(ME, "c1")


def test_old_deleted_conversations_are_purged_at_start(store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(store, "old", conversation="old")
    asked(store, "new", conversation="new")
    store.conversations.delete(ME, "new")
    now = time.time()
    monkeypatch.setattr("chatapp.store.time.time", lambda: now - 31 * 86400)
    store.conversations.delete(ME, "old")
    monkeypatch.undo()
    Store(store_url).close()
    store.conversations.restore(ME, "new")
    with pytest.raises(NotFound):
        store.conversations.restore(ME, "old")


# whose is it

STRANGER = {
    "turn": lambda s, c, t: s.turn(YOU, t.id),
    "parent": lambda s, c, t: s.parent(YOU, t.id),
    "leaf": lambda s, c, t: s.leaf(YOU, c),
    "outline": lambda s, c, t: s.outline(YOU, c),
    "own outline with a foreign leaf": lambda s, c, t: s.outline(YOU, "yours", t.id),
    "version": lambda s, c, t: s.version(YOU, c),
    "select": lambda s, c, t: s.select(YOU, t.id),
    "summary": lambda s, c, t: s.conversations.summary(YOU, c),
    "conversation": lambda s, c, t: s.conversations.whole(YOU, c),
    "rename": lambda s, c, t: s.conversations.rename(YOU, c, "taken"),
    "pin": lambda s, c, t: s.conversations.pin(YOU, c),
    "delete": lambda s, c, t: s.conversations.delete(YOU, c),
    "restore": lambda s, c, t: s.conversations.restore(YOU, c),
    "delete_turn": lambda s, c, t: s.delete_turn(YOU, t.id, keep_children=False),
    "begin in a foreign conversation": lambda s, c, t: s.begin(Turn(YOU, c, "x")),
    "begin below a foreign turn": lambda s, c, t: s.begin(Turn(YOU, "yours", "x", parent_id=t.id)),
}


@pytest.mark.parametrize("what", STRANGER)
def test_a_strangers_ids_are_not_found_and_nothing_changes(store: Store, what: str) -> None:
    turn = asked(store, "mine")
    asked(store, "theirs", conversation="yours", owner=YOU)
    before = all_of(store, ME), all_of(store, YOU), store.conversations.listed(ME)
    with pytest.raises(NotFound):
        STRANGER[what](store, "c1", turn)
    assert (all_of(store, ME), all_of(store, YOU), store.conversations.listed(ME)) == before


def test_a_stranger_cannot_write_a_reply_and_finds_nothing(store: Store) -> None:
    turn = asked(store, "mine", reply=None)
    for write, ended in ((store.progress, ""), (store.reason, ""), (store.finish, "end")):
        with pytest.raises(NotFound):
            write(replace(turn, owner=YOU, reply_text="forged", finish_reason=ended))
    assert store.turn(ME, turn.id) == turn
    assert store.conversations.listed(YOU) == [] and store.conversations.listed(YOU, "mine") == []
    assert all_of(store, YOU) == []


def test_every_public_method_that_takes_an_id_is_tried_by_a_stranger() -> None:
    def takes_an_id(method: Callable) -> bool:
        return bool({"turn_id", "conversation_id"} & set(inspect.signature(method).parameters))

    assert {name for name, _ in inspect.getmembers(Store, inspect.isfunction) if takes_an_id(_)} <= set(STRANGER)


# many at once


def test_two_tabs_that_answer_the_same_turn_make_two_versions(store: Store, store_url: str) -> None:
    first, other = asked(store, "one"), Store(store_url)
    threads = [threading.Thread(target=asked, args=(s, f"tab {n}", first)) for n, s in enumerate([store, other] * 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = store.conversations.whole(ME, "c1").turns
    assert sorted(t.user for t in found if t.parent_id == first.id) == sorted(f"tab {n}" for n in range(20))
    assert len(turns_of(store, ME, "c1")) == 2
    other.close()


def test_memory_is_shared_by_threads_and_by_nobody_else() -> None:
    store, other = Store("sqlite://"), Store("sqlite://")
    threads = [threading.Thread(target=asked, args=(store, f"q{n}"), kwargs={"conversation": f"c{n}"}) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.conversations.listed(ME)) == 20 and len(store.conversations.listed(ME, "q7")) == 1
    assert other.conversations.listed(ME) == []


# after a crash


def test_what_a_dead_process_left_is_interrupted_and_findable(store: Store, store_url: str) -> None:
    turn = asked(store, "one", reply=None)
    turn.reply_text, turn.prompt_ids = "half an answer", (1, 2)
    store.progress(turn)
    after = Store(store_url)
    died(store, after)
    assert after.running.interrupt_dead() == 1
    found = after.turn(ME, turn.id)
    assert (found.finish_reason, found.reply_text, found.can_continue) == ("interrupted", "half an answer", True)
    assert [s.id for s in after.conversations.listed(ME, "answer")] == ["c1"]
    assert after.running.interrupt_dead() == 0
    after.close()


def test_a_living_process_keeps_its_running_replies(store: Store, store_url: str) -> None:
    turn = asked(store, "one", reply=None)
    second = Store(store_url)
    assert second.running.interrupt_dead() == 0
    assert second.turn(ME, turn.id).running
    second.close()
    assert store.running.interrupt_dead() == 0
