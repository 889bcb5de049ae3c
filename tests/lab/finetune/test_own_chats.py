"""One's own conversations, by title or id: whole replies alone, with the system prompt."""

from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.finetune.own_chats import chosen
from chatapp.store import Store
from chatapp.turn import Message, Turn


@pytest.fixture
def store(tmp_path: Path):
    """ann: a reply, one that was cut, a reply; bob twice under one title; cut: nothing whole."""
    kept = Store(f"sqlite:///{tmp_path}/chat.db")
    parent = None
    for number, reason in enumerate(["end", "length", "end"]):
        parent = add(kept, "ann", f"Question {number}", reason, parent)
    add(kept, "bob", "Twice", "end", None)
    add(kept, "eve", "Twice", "end", None)
    add(kept, "cut", "Stopped", "stopped", None)
    yield kept
    kept.close()


def add(store: Store, conversation: str, user: str, reason: str, parent: str | None) -> str:
    turn = Turn(f"visitor:{conversation}", conversation, user, parent_id=parent, system="Be kind.")
    store.begin(turn)
    turn.reply_text, turn.finish_reason = f"Reply to {user}", reason
    turn.timings = turn.timings.__class__(started=1.0)
    store.finish(turn)
    return turn.id


def test_a_conversation_is_named_by_title_or_id(store: Store) -> None:
    by_title, by_id = chosen(store, ["question 0", "ann"])
    assert (
        by_title.messages
        == by_id.messages
        == (
            Message("system", "Be kind."),
            Message("user", "Question 0"),
            Message("assistant", "Reply to Question 0"),
            Message("user", "Question 2"),
            Message("assistant", "Reply to Question 2"),
        )
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Question 9", r"No conversation has the title or id 'Question 9'\..*Question 0"),
        ("nothing alike", r"'nothing alike'\. The latest are: 'Stopped', 'Twice', 'Twice'\."),
        ("Twice", r"2 conversations have the title 'Twice'. Name one by its id: (eve, bob|bob, eve)"),
        ("cut", r"'Stopped' has no reply that came to its end"),
    ],
)
def test_what_cannot_be_learned_from_is_a_sentence(store: Store, name: str, words: str) -> None:
    with pytest.raises(ChatError, match=words):
        chosen(store, [name])
