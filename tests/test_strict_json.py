"""What comes from outside is read or refused in words, whatever it holds: half characters, odd numbers, brackets without an end."""

import json
from dataclasses import asdict
from typing import Any

import gradio as gr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp import strict_json
from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.pages import api_endpoint, blocks
from chatapp.pages.protocol import ChatAction, Manage, Measure, More, Request, Watch
from chatapp.pages.watch import Watcher
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.server import door
from chatapp.server.openai.request import NEUTRAL, READ, read
from chatapp.store import Conversation, Store
from chatapp.turn import Message, Turn
from tests.chats import ME, Residence, ended

HALF = "\ud83d"
TEXT = st.text(st.characters(codec=None) | st.sampled_from([HALF, "\ude00", "\0"]), max_size=8)
NUMBER = st.integers() | st.floats() | st.sampled_from([10**30, -(2**64), 1e300, 10**400])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_read_as_text_that_can_be_stored_or_refused(value: Any) -> None:
    try:
        found = strict_json.parsed(json.dumps(value).encode())
    except ValueError:
        assert "NaN" in json.dumps(value) or "Infinity" in json.dumps(value)
    else:
        whole = json.dumps(found, ensure_ascii=False)
        whole.encode()
        assert "\\u0000" not in whole


@pytest.mark.parametrize(
    "body", ["", "{", "[" * 100_000, "[" * 150 + "]" * 150, "1" * 5000, "NaN", "[Infinity]", '{"a": -Infinity}', b"\xff"], ids=repr
)
def test_what_is_no_json_is_a_value_error(body: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json.parsed(body if isinstance(body, bytes) else body.encode())


def test_a_pair_cut_in_two_by_an_escape_is_one_character_again() -> None:
    assert strict_json.parsed(rb'["\ud83d\ude00", "\ud83d!", {"\ud83d": "a\u0000b"}]') == ["😀", "\ufffd!", {"\ufffd": "ab"}]


MESSAGE = st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]) | JSON, "content": TEXT | JSON})


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from([*READ, *NEUTRAL]) | TEXT, JSON, max_size=4), st.lists(MESSAGE, max_size=3) | JSON)
def test_any_body_of_a_request_is_read_or_refused_in_words(fields: dict[str, Any], messages: Any) -> None:
    try:
        ask = read(json.dumps(fields | {"messages": messages}).encode())
    except ChatError as error:
        str(error).encode()
        str(getattr(error, "param", "")).encode()
    else:
        for text in (ask.text, ask.system, *(m.content for m in ask.history), *ask.sampling.stop):
            text.encode()


FIELDS = st.sampled_from(["do", "conversation", "turn", "leaf", "text", "query", "settings", "rows", "tick", "session", "id"])


@settings(deadline=None)
@given(JSON | st.dictionaries(FIELDS, TEXT | NUMBER | JSON), st.sampled_from([ChatAction, Watch, Measure, Manage, More]))
def test_any_body_at_the_door_is_read_or_refused_in_words(data: Any, message: type[Request]) -> None:
    try:
        asked = message.read(door.read(json.dumps(data).encode()))
    except ChatError as error:
        str(error).encode()
    else:
        json.dumps(asdict(asked), ensure_ascii=False).encode()


async def test_an_imported_half_character_is_kept_shown_and_sent_as_one(scripted, store_url: str) -> None:
    store = Store(store_url)
    chat = Chat(Residence(scripted), store)
    old = Turn(ME, "c", f"cut {HALF}", system=f"be {HALF}", history=(Message("user", HALF),), reply_text=f"{HALF}ok", finish_reason="end")
    store.conversations.add(ME, [Conversation("c", "Cut", 1.0, 1.0, False, old.id, [old])])
    turn = await ended(chat, await chat.send(ME, "go on", conversation_id="c", system=old.system))
    assert (turn.finish_reason, store.turn(ME, old.id).user) == ("end", f"cut {HALF}")
    assert "cut \ufffd" in turn.prompt_text and "be \ufffd" in turn.prompt_text
    news = [door.line(line) async for line in Watcher(chat, ModelManager.of(scripted)).watch(ME, {"conversation": "c"})]
    assert "cut \ufffd" in "".join(news).encode().decode()
    await chat.shutdown()
    store.close()


@pytest.mark.parametrize("seed", ["9" * 5000, "x", "-1", "1.5"], ids=["digits", "letter", "negative", "half"])
def test_a_seed_that_is_no_number_is_refused_in_one_line(seed: str) -> None:
    with pytest.raises(ChatError, match="whole number from 0 to 4294967295") as caught:
        Sampling.of({"seed": seed})
    assert len(str(caught.value)) < 150


async def test_an_event_with_too_few_values_is_refused_in_words(scripted) -> None:
    store = Store("sqlite://")
    chat = Chat(ModelManager.of(scripted), store)
    page = blocks.build(chat)
    reply = next(fn for fn in page.fns.values() if fn.api_name == "chat")
    needed = len(api_endpoint.SIGNATURE.parameters) - 1  # all but the request
    with pytest.raises(gr.Error, match=f"The page sent 1 values where {needed} are needed"):
        await page.process_api(reply, [""])
    await chat.shutdown()
    store.close()


async def test_an_event_of_the_browser_alone_is_refused_in_words(scripted) -> None:
    store = Store("sqlite://")
    chat = Chat(ModelManager.of(scripted), store)
    page = blocks.build(chat)
    alone = next(fn for fn in page.fns.values() if fn.fn is None)
    with pytest.raises(gr.Error, match="The server has no part in this event"):
        await page.process_api(alone, ["", ""])
    await chat.shutdown()
    store.close()


async def test_an_id_that_is_no_text_is_not_found(scripted, store_url: str) -> None:
    store = Store(store_url)
    chat = Chat(Residence(scripted), store)
    asked = door.read(json.dumps({"conversation": f"{HALF}\0", "turn": HALF}).encode())
    with pytest.raises(ChatError, match="not found"):
        await chat.path(ME, asked["conversation"])
    with pytest.raises(ChatError, match="not found"):
        await chat.turn(ME, asked["turn"])
    await chat.shutdown()
    store.close()


async def test_the_panel_has_no_door_of_its_own(scripted) -> None:
    """/chat takes what is wrong in words; a component's own event would not."""
    store = Store("sqlite://")
    chat = Chat(ModelManager.of(scripted), store)
    config = blocks.build(chat).get_config_file()
    doors = [event["targets"][0][1] if event["targets"] else event["api_name"] for event in config["dependencies"] if event["backend_fn"]]
    assert doors == ["chat"]
    await chat.shutdown()
    store.close()
