"""Every view of a recorded turn is plain JSON, takes the odd turns too, refuses with numbers, and shows nobody else's."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.pages.xray_page import XrayActions
from chatapp.resident.budget import needed
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.store import Conversation, Store
from chatapp.turn import Turn
from chatapp.xray import registry
from chatapp.xray.query import Values
from chatapp.xray.service import XrayService
from chatapp.xray.views import attention, layers, probabilities
from tests.chats import ME, YOU, ended, speak
from tests.conftest import Scripted
from tests.directs import endless
from tests.xrays import GREEDY, last, told

HOT = Sampling(temperature=1.2, top_k=40, top_p=0.9, min_p=0.02, repetition_penalty=1.1, seed=5, max_tokens=12)


@pytest.fixture
async def chat(tiny_llama: Path, make_direct, tmp_path: Path):
    chat = Chat(ModelManager.of(make_direct(endless(tiny_llama))), Store(f"sqlite:///{tmp_path}/chat.db"))
    yield chat
    await chat.shutdown()


@pytest.fixture
def service(chat: Chat):
    made = XrayService(chat, chat.models)
    yield made
    made.inspector.close()


QUESTIONS = {
    "prompt": {},
    "probabilities": {},
    "draw": {"position": 2, "sampling": {"temperature": 0.5, "top_k": 3}},
    "attention": {"layers": "0-1"},
    "layers": {"first": 0},
    "model": {},
    "neighbours": {"token": 50},
    "tokenizer": {"text": "héllo 👩‍👩‍👧‍👦"},
    "search": {"query": "an"},
    "perplexity": {"text": "The capital of France is Paris."},
    "pasted": {"text": "The capital of France is Paris."},
    "card": {},
    "measure": {},
    "replay": {},
}


async def seen(service: XrayService, view: str, turn, **loose) -> dict:
    """The last answer to a question; `load` for loading one more model."""
    if view == "load":
        return await last(service.load(turn.owner, turn.id, loose["model"]))
    return await last(service.look(turn.owner, view, turn.id, loose))


def test_the_list_of_views_is_one_and_names_every_question_once() -> None:
    asked = [question for view in registry.views() for question in view.questions]
    assert [view.name for view in registry.views()] == ["prompt", "probabilities", "attention", "layers", "model", "tokenizer", "card"]
    assert sorted(asked) == sorted([*QUESTIONS, "tutorial"]) and all(view.name in view.questions for view in registry.views())


@pytest.mark.parametrize("view", QUESTIONS)
async def test_every_view_is_plain_json(service: XrayService, chat: Chat, view: str) -> None:
    assert json.dumps(await seen(service, view, await told(chat, sampling=HOT), **QUESTIONS[view]), allow_nan=False)


async def test_every_view_works_for_an_engine_without_a_model_of_its_own(tiny_llama: Path, scripted: Scripted, tmp_path: Path) -> None:
    speak(scripted, "Paris is the capital of France. 😀")
    models = ModelManager.of(scripted, Settings(model=str(tiny_llama), data_dir=tmp_path))
    chat = Chat(models, Store("sqlite://"))
    service = XrayService(chat, models)
    turn = await ended(chat, await chat.send(ME, "Where?", sampling=Sampling(temperature=0)))
    for view, loose in QUESTIONS.items():
        assert await seen(service, view, turn, **loose), view
    assert (await seen(service, "probabilities", turn))["difference"] > 0, "the script's -0.5 is not this model's"
    service.inspector.close()
    await chat.shutdown()


async def test_nobody_sees_the_turn_of_another(service: XrayService, chat: Chat) -> None:
    turn = await told(chat)
    with pytest.raises(ChatError) as mine:
        await last(service.look(YOU, "prompt", turn.id, {}))
    with pytest.raises(ChatError) as nowhere:
        await last(service.look(ME, "prompt", "0" * 32, {}))
    assert str(mine.value) == str(nowhere.value)


@pytest.mark.parametrize("asked", [{"view": "nothing"}, {"view": None}, {}, {"view": ["prompt"]}])
async def test_an_unknown_view_is_refused(service: XrayService, asked: dict) -> None:
    with pytest.raises(ChatError, match=r"no X-ray view|'view'"):
        await last(XrayActions(service).look(ME, {"turn": "0" * 32, **asked}))


async def test_a_reply_being_written_is_shown_when_it_is_done(service: XrayService, chat: Chat) -> None:
    turn = await chat.send(ME, "count", sampling=Sampling(temperature=0, max_tokens=400))
    with pytest.raises(ChatError, match="still being written"):
        await last(service.look(ME, "prompt", turn.id, {}))
    await chat.stop(ME, turn.id)


async def test_a_stopped_turn_shows_what_was_written(service: XrayService, chat: Chat) -> None:
    begun = await chat.send(ME, "count", sampling=Sampling(temperature=0, max_tokens=400))
    async for live in chat.follow(ME, begun.id):
        if len(live.reply_ids) >= 5:
            await chat.stop(ME, begun.id)
            break
    turn = await ended(chat, begun)
    assert turn.finish_reason == "stopped"
    view = await seen(service, "probabilities", turn)
    assert len(view["rows"]) == len(turn.reply_ids) == len(view["reply"]["rows"])
    assert (await seen(service, "replay", turn))["replay"]["differs"] is None


async def test_recomputed_probabilities_are_those_the_engine_recorded(service: XrayService, chat: Chat) -> None:
    view = await seen(service, "measure", await told(chat, sampling=HOT))
    assert view["largest"] < 1e-4 and view["tokens"] == 12


async def test_continued_and_branched_turns_tell_given_from_drawn(service: XrayService, chat: Chat) -> None:
    turn = await told(chat, sampling=replace(GREEDY, max_tokens=6))
    more = await ended(chat, await actions.resume(chat, ME, turn.id, sampling=GREEDY))
    branch = await ended(chat, await actions.branch(chat, ME, turn.id, 3, 77, sampling=GREEDY))
    for later, given in ((more, turn.reply_ids), (branch, [*turn.reply_ids[:3], 77])):
        prompt = await seen(service, "prompt", later)
        assert [row["id"] for row in prompt["rows"] if row["kind"] == "prefill"] == given
        rows = (await seen(service, "probabilities", later))["rows"]
        assert [row["id"] for row in rows] == later.reply_ids
        assert (await seen(service, "measure", later))["largest"] < 1e-4


@pytest.mark.parametrize("reply", [[], [5, None, 7]], ids=["empty", "text only"])
async def test_a_reply_without_ids_says_why_nothing_is_shown(service: XrayService, chat: Chat, reply: list) -> None:
    turn = replace(await told(chat), reply_ids=reply)
    for view in (
        probabilities.probabilities(service.inspector, turn),
        probabilities.draw(service.inspector, turn, 0, {}),
        layers.layers(service.inspector, turn, 0, 4),
    ):
        with pytest.raises(ChatError, match="no recorded tokens"):
            await last(view)
    assert (await last(attention.attention(service.inspector, turn)))["tokens"], "the prompt alone can be looked at"


async def test_an_imported_turn_without_prompt_ids_says_so(service: XrayService, chat: Chat) -> None:
    turn = replace(await told(chat), prompt_ids=())
    with pytest.raises(ChatError, match="no recorded prompt tokens"):
        await last(probabilities.probabilities(service.inspector, turn))


LIMITS = {
    "token of the reply": ("draw", {"position": 99}, r"Token 99 .* tokens 0 to 11"),
    "layer": ("attention", {"layers": "0-9"}, r"layers 0 to 1"),
    "no layer": ("attention", {"layers": "1-0"}, r"layers 0 to 1"),
    "negative first": ("attention", {"first": -3}, r"Tokens -3 to"),
    "first beyond last": ("attention", {"first": 5, "last": 5}, r"Tokens 5 to 5"),
    "lens start": ("layers", {"first": 12}, r"Token 12 .* tokens 0 to 11"),
    "lens count": ("layers", {"count": 65}, r"65 positions .* 1 to 64"),
    "embedding": ("neighbours", {"token": 10**6}, r"ids 0 to \d+"),
    "short text": ("perplexity", {"text": "a"}, r"1 tokens; at least 2"),
    "no text": ("pasted", {"text": ""}, r"0 tokens; at least 2"),
    "long text": ("tokenizer", {"text": "x" * 100_001}, r"100001 characters; at most 100000"),
    "knob": ("draw", {"position": 0, "sampling": {"temperature": 9}}, r"from 0 to 2"),
}


@pytest.mark.parametrize(("view", "loose", "words"), LIMITS.values(), ids=LIMITS)
async def test_limits_are_refused_with_numbers(service: XrayService, chat: Chat, view: str, loose: dict, words: str) -> None:
    with pytest.raises(ChatError, match=words):
        await seen(service, view, await told(chat, "Where?"), **loose)


async def test_two_models_stand_side_by_side(service: XrayService, chat: Chat, tiny_gpt2: Path) -> None:
    turn = await told(chat)
    with pytest.raises(ChatError, match=r"is loaded\. Load .* to see more"):
        await seen(service, "attention", turn, other=str(tiny_gpt2))
    await seen(service, "load", turn, model=str(tiny_gpt2))
    view = await seen(service, "attention", turn, other=f" {tiny_gpt2} ")
    assert view["other"]["name"] == tiny_gpt2.name and view["tokens"]
    words = await seen(service, "tokenizer", turn, text="hi there", other=str(tiny_gpt2))
    assert words["other"]["encoded"]["tokens"] > 0


async def test_the_model_that_is_compared_with_does_not_leave_while_it_is_looked_at(
    service: XrayService, chat: Chat, tiny_gpt2: Path
) -> None:
    turn = await told(chat)
    await seen(service, "load", turn, model=str(tiny_gpt2))
    first, other = chat.models.slots()
    answers = service.look(ME, "attention", turn.id, {"other": str(tiny_gpt2)})
    await anext(answers)
    assert needed(first) and needed(other) and other.take() is None
    await answers.aclose()
    assert not needed(first) and not needed(other)


async def test_a_second_tokenizer_is_read_without_its_weights(service: XrayService, chat: Chat, tiny_gpt2: Path) -> None:
    view = await seen(service, "tokenizer", await told(chat), text="hi there", other=str(tiny_gpt2))
    assert view["other"]["model"] == str(tiny_gpt2) and len(chat.models.slots()) == 1


async def test_the_attention_sent_is_the_causal_triangle_of_the_asked_tokens(service: XrayService, chat: Chat) -> None:
    view = await seen(service, "attention", await told(chat), layers="1", first=2, last=9)
    assert list(view["layers"]) == ["1"] and len(view["tokens"]) == 7
    assert len(base64.b64decode(view["layers"]["1"])) == view["heads"] * 7 * 8 // 2


async def test_bertviz_draws_without_a_network(service: XrayService, chat: Chat) -> None:
    pytest.importorskip("bertviz")
    turn = await told(chat)
    for kind in ("head", "model"):
        html = (await seen(service, "tutorial", turn, kind=kind, layers="1", last=10))["page"]
        assert "<script src" not in html and len(html) < 1_000_000 and "jQuery" in html


async def test_bertviz_takes_the_last_tokens_of_a_long_reply_and_says_so(service: XrayService, chat: Chat) -> None:
    pytest.importorskip("bertviz")
    turn = await told(chat, "Where is Paris? " * 20)
    view = await seen(service, "tutorial", turn, kind="head", layers="all")
    assert view["layers"] == [0, 1]
    assert view["words"].startswith(f"The last 64 of {len(turn.prompt_ids) + len(turn.reply_ids)} tokens and layers 0-1 are shown")


@pytest.mark.parametrize("program", ["", "chatgpt"])
async def test_nothing_is_made_up_for_a_reply_that_came_with_an_import(service: XrayService, chat: Chat, program: str) -> None:
    old = Turn(ME, "imported", "Hi", id="imported", reply_text="Hello", finish_reason="end", model="gpt-4", engine=program)
    chat.store.conversations.add(ME, [Conversation("imported", "Old", 1.0, 1.0, False, old.id, [old])])
    for view in QUESTIONS:
        if view in ("card", "measure", "replay"):
            continue
        with pytest.raises(ChatError, match="came with an import") as refused:
            await seen(service, view, old, **QUESTIONS[view])
        assert not hasattr(refused.value, "offer"), view
    assert (await seen(service, "card", old))["card"]["imported"]


async def test_each_step_of_a_draw_says_what_it_did(service: XrayService, chat: Chat) -> None:
    turn = await told(chat, sampling=HOT)
    view = await seen(service, "draw", turn, position=1)
    assert [step["name"] for step in view["steps"]] == ["logits", "repetition penalty", "temperature", "top-k", "top-p", "min-p"]
    assert "40 likeliest" in view["steps"][3]["said"] and "drawn at random" in view["outcome"]
    greedy = await seen(service, "draw", turn, position=1, sampling={"temperature": 0})
    assert "nothing is drawn" in greedy["outcome"]


async def test_a_pasted_text_has_a_row_for_each_token_but_the_first(service: XrayService, chat: Chat) -> None:
    view = await seen(service, "pasted", await told(chat), text="The capital of France is Paris.")
    assert view["rows"][0] is None and all(0 < row["p"] <= 1 for row in view["rows"][1:])
    assert len(view["rows"]) == view["reply"]["tokens"]


async def test_the_vocabulary_is_searched_by_text_and_by_id(service: XrayService, chat: Chat) -> None:
    turn = await told(chat)
    found = await seen(service, "search", turn, query=" capital")
    assert found["entries"][0]["text"] == " capital"
    number = found["entries"][0]["id"]
    assert (await seen(service, "search", turn, query=str(number)))["entries"][0]["id"] == number


def test_loose_values_from_a_browser_never_raise() -> None:
    asked = Values({"a": True, "b": "7", "c": 1e300, "d": None, "e": 3.9, "f": [1]})
    assert [asked.number(name) for name in "abcdefg"] == [0, 0, 0, 0, 3, 0, 0]
    assert asked.text("f") == "" and asked.model("d") == ""
