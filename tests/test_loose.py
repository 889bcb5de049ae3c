"""What comes from outside is read or refused in words, whatever it holds: half characters, odd numbers, brackets without an end."""

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp import loose
from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.errors import ChatError
from chatapp.settings import Settings
from chatapp.store import Conversation, Store
from chatapp.turn import Message, Turn
from chatapp.ui import blocks, panel
from chatapp.ui.chat_page import Ask
from chatapp.ui.view import transcript
from chatapp.web.openai_request import NEUTRAL, READ, read
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
        found = loose.parsed(json.dumps(value).encode())
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
        loose.parsed(body if isinstance(body, bytes) else body.encode())


def test_a_pair_cut_in_two_by_an_escape_is_one_character_again() -> None:
    assert loose.parsed(rb'["\ud83d\ude00", "\ud83d!", {"\ud83d": "a\u0000b"}]') == ["😀", "\ufffd!", {"\ufffd": "ab"}]


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
        for text in (ask.text, ask.system, *(m.content for m in ask.given), *ask.sampling.stop):
            text.encode()


@settings(deadline=None)
@given(JSON | st.dictionaries(st.sampled_from(["do", "conversation", "turn", "leaf", "text", "query", "nonce"]), TEXT), TEXT)
def test_an_event_of_the_page_brings_text_that_can_be_stored(data: Any, text: str) -> None:
    ask = Ask.of(data, ME, text, (0.5, text, text))
    for value in (ask.do, ask.conversation, ask.turn, ask.leaf, ask.text, ask.query, ask.nonce, ask.system, *ask.knobs):
        str(value).encode()


async def test_an_imported_half_character_is_kept_shown_and_sent_as_one(scripted, store_url: str) -> None:
    store = Store(store_url)
    chat = Chat(Residence(scripted), store)
    old = Turn(ME, "c", f"cut {HALF}", system=f"be {HALF}", given=(Message("user", HALF),), reply_text=f"{HALF}ok", stop_reason="end")
    store.add(ME, [Conversation("c", "Cut", 1.0, 1.0, False, old.id, [old])])
    turn = await ended(chat, await chat.send(ME, "go on", conversation_id="c", system=old.system))
    assert (turn.stop_reason, store.turn(ME, old.id).user) == ("end", f"cut {HALF}")
    assert "cut \ufffd" in turn.prompt_text and "be \ufffd" in turn.prompt_text
    json.dumps(transcript([old, turn]), ensure_ascii=False).encode()
    await chat.shutdown()
    store.close()


@pytest.mark.parametrize("seed", ["9" * 5000, "x", "-1", "1.5"], ids=["digits", "letter", "negative", "half"])
def test_a_seed_that_is_no_number_is_refused_in_one_line(seed: str) -> None:
    with pytest.raises(ChatError, match="whole number from 0 to 4294967295") as caught:
        panel.seed_of(seed)
    assert len(str(caught.value)) < 150


async def test_an_event_with_too_few_values_is_refused_in_words(scripted, tmp_path: Path) -> None:
    store = Store("sqlite://")
    resident = Resident.of(scripted)
    chat = Chat(resident, store)
    page = blocks.build(chat, resident, Settings(data_dir=tmp_path))
    act = next(fn for fn in page.fns.values() if fn.name == "act")
    with pytest.raises(gr.Error, match="The page sent 1 values where 9 are needed"):
        await page.process_api(act, [""])
    await chat.shutdown()
    store.close()


async def test_an_id_that_is_no_text_is_not_found(scripted, store_url: str) -> None:
    store = Store(store_url)
    chat = Chat(Residence(scripted), store)
    ask = Ask.of({"conversation": f"{HALF}\0", "turn": HALF}, ME, "", ())
    with pytest.raises(ChatError, match="not found"):
        await chat.path(ME, ask.conversation)
    with pytest.raises(ChatError, match="not found"):
        await chat.turn(ME, ask.turn)
    await chat.shutdown()
    store.close()


async def test_the_panel_has_no_door_of_its_own(scripted, tmp_path: Path) -> None:
    """The page's four wires and /chat take what is wrong in words; a component's own event would not."""
    store, resident = Store("sqlite://"), Resident.of(scripted)
    chat = Chat(resident, store)
    config = blocks.build(chat, resident, Settings(data_dir=tmp_path)).get_config_file()
    doors = [event["targets"][0][1] if event["targets"] else event["api_name"] for event in config["dependencies"] if event["backend_fn"]]
    assert sorted(doors) == ["act", "chat", "look", "manage", "measure"]
    await chat.shutdown()
    store.close()
