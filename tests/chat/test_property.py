"""Any order of send, edit, regenerate, delete, branch, continue, stop keeps the tree whole and loses no text."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store
from chatapp.turn import Turn
from tests.chats import ME, ended, speak
from tests.conftest import Scripted

CUT = Sampling(max_tokens=2)

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "edit", "regenerate", "delete", "erase", "branch", "resume", "stop", "select", "wait"]),
        st.integers(0, 30),
        st.text(max_size=12),
    ),
    max_size=14,
)


@pytest.fixture(scope="module")
def one_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(f"sqlite:///{tmp_path_factory.mktemp('tree')}/chat.db")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_any_order_of_operations_keeps_the_tree_whole_and_loses_no_text(operations, one_store: Store, tiny_llama: Path) -> None:
    engine = Scripted(AutoTokenizer.from_pretrained(tiny_llama))
    speak(engine, "The capital of France is Paris.")
    asyncio.run(_play(operations, Chat(ModelManager.of(engine), one_store)))


async def _play(operations: list[tuple[str, int, str]], chat: Chat) -> None:
    made: dict[str, Turn] = {}
    first = await chat.send(ME, "Begin", sampling=CUT)
    made[first.id] = first
    for name, number, text in operations:
        target = list(made.values())[number % len(made)] if made else None
        try:
            await _operate(chat, name, target, text or "?", made)
        except NotFound:
            assert target is None or not made, "only an empty conversation has nothing to be found"
        except ChatError as refused:
            assert name in ("branch", "resume", "send", "edit"), refused  # complete, running, no such token, an empty text
    for turn in list(made.values()):
        await ended(chat, turn)
    await chat.shutdown()
    _check(chat.store, first.conversation_id, made)


async def _operate(chat: Chat, name: str, target: Turn | None, text: str, made: dict[str, Turn]) -> None:
    where = target and target.conversation_id
    if name == "wait" or target is None:
        await asyncio.sleep(0.005)
    elif name == "send":
        _note(made, await chat.send(ME, text, conversation_id=where, sampling=CUT))
    elif name == "edit":
        _note(made, await actions.edit(chat, ME, target.id, text))
    elif name in ("regenerate", "resume"):
        _note(made, await getattr(actions, name)(chat, ME, target.id))
    elif name == "branch":
        _note(made, await actions.branch(chat, ME, target.id, 1, 70))
    elif name == "stop":
        await chat.stop(ME, target.id)
    elif name == "select":
        chat.store.select(ME, target.id)
    else:
        gone = {target.id} if name == "delete" else _below(chat.store, where, target.id)
        chat.store.delete_turn(ME, target.id, keep_children=name == "delete")
        for turn_id in gone:
            made.pop(turn_id)


def _note(made: dict[str, Turn], turn: Turn) -> None:
    made[turn.id] = turn


def _below(store: Store, conversation_id: str, turn_id: str) -> set[str]:
    turns = store.conversations.whole(ME, conversation_id).turns
    found = {turn_id}
    while more := {t.id for t in turns if t.parent_id in found} - found:
        found |= more
    return found


def _check(store: Store, conversation_id: str, made: dict[str, Turn]) -> None:
    whole = store.conversations.whole(ME, conversation_id)
    stored = {turn.id: turn for turn in whole.turns}
    assert set(stored) == set(made)
    for turn in stored.values():
        live = made[turn.id]
        assert (turn.user, turn.reply, turn.reply_ids, turn.finish_reason) == (live.user, live.reply, live.reply_ids, live.finish_reason)
        assert turn.parent_id is None or turn.parent_id in stored
        assert not turn.running and store.outline(ME, conversation_id, turn.id).turns[-1].id == turn.id
    assert whole.leaf in stored or not stored
    assert all(t.parent_id != whole.leaf for t in stored.values()) or not stored
