"""A chat whose model another server runs, from the manager to the record: loading, replies, Continue, what is kept and what is shown."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.lab.classify.service import ClassifyService
from chatapp.models.downloads import Downloads
from chatapp.models.identity import labels, told_apart
from chatapp.pages import panel, view
from chatapp.pages.models_actions import ModelsActions, loaded_row
from chatapp.pages.models_saving import Saving
from chatapp.pages.text_actions import TextActions
from chatapp.resident.manager import ModelManager
from chatapp.resident.weighed import numbers
from chatapp.sampling import Sampling
from chatapp.server.health import report
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.transfer import export
from chatapp.xray.inspector import Inspector
from chatapp.xray.service import XrayService
from chatapp.xray.text.service import TextService
from chatapp.xray.text.which import find
from tests.chats import ME, ended, until
from tests.remotes import FakeRemote, counts, over, remote, say

KEY = "s3cret-key"


@pytest.fixture
def fake() -> Iterator[FakeRemote]:
    with remote() as fake:
        fake.key = KEY
        yield fake


@pytest.fixture
async def chat(fake: FakeRemote, tmp_path: Path) -> AsyncIterator[Chat]:
    settings = Settings(model=fake.url, data_dir=tmp_path, remote_keys=f"{fake.origin}={KEY}")
    models = ModelManager(settings)
    models.start()
    chat = Chat(models, Store(f"sqlite:///{tmp_path}/chat.db"))
    yield chat
    await chat.shutdown()
    models.close()


async def test_it_is_loaded_by_asking_the_server_and_takes_no_memory(chat: Chat, fake: FakeRemote) -> None:
    slot = chat.models.first
    engine = await slot.wait_ready()
    place = fake.origin.removeprefix("http://")
    assert (slot.id, slot.state, slot.held, numbers(slot), panel.memory(slot)) == (fake.url, "ready", None, None, [])
    assert engine.capabilities.concurrency == chat.models.settings.concurrency
    assert labels([slot.id]) == {fake.url: place}
    (known,) = panel.known(chat.models)
    assert (known.id, known.label, known.words) == (fake.url, "far", f"Answered by {place}")
    facts = dict(loaded_row(slot, None).facts)
    assert place in facts["Answered by"] and facts["Memory"] == "none here" and facts["Context"] == "2,000 tokens"
    assert f"answered by {place}" in panel.status(slot)["facts"] and panel.status(slot)["short"] == "far"
    assert report(chat.models)["models"][0] == {"id": fake.url, "status": "ready", "model": f"{fake.url}#org/far", "engine": "remote"}


async def test_a_reply_is_recorded_as_it_was_sent_and_said_without_the_key(chat: Chat, fake: FakeRemote) -> None:
    turn = await ended(chat, await chat.send(ME, "Where?", system="Be brief.", sampling=Sampling(seed=3)))
    assert (turn.reply, turn.finish_reason, turn.error) == ("Hello world", "end", "")
    stored = await asyncio.to_thread(chat.store.turn, ME, turn.id)
    assert json.loads(stored.prompt_text) == fake.asked[0] and stored.told["said"]["usage"]["prompt_tokens"] == 40
    assert (stored.model, stored.revision, stored.prompt_ids, stored.reply_ids) == (f"{fake.url}#org/far", "", (), [])
    assert (stored.tokens, view.facts(stored)[:2]) == (3, ["far", "3 tokens"])
    exported = "".join(export(chat.store, ME, "json"))
    assert fake.url in exported and KEY not in str(stored) + exported + repr(chat.models.settings)


async def test_what_is_answered_next_is_given_what_was_said(chat: Chat, fake: FakeRemote) -> None:
    first = await ended(chat, await chat.send(ME, "Where?"))
    await ended(chat, await chat.send(ME, "And then?", conversation_id=first.conversation_id))
    said = [(m["role"], m["content"]) for m in fake.asked[-1]["messages"]]
    assert said == [("user", "Where?"), ("assistant", "Hello world"), ("user", "And then?")]
    assert told_apart({chat.models.first.info.id}) == {chat.models.first.info.id: "far"}


async def test_what_is_left_out_for_space_is_said_to_be_an_estimate(chat: Chat, fake: FakeRemote) -> None:
    fake.pieces = [say(content="yes"), over(), counts(1000, 1)]
    first = await ended(chat, await chat.send(ME, "word " * 700, sampling=Sampling(max_tokens=600)))
    again = {"conversation_id": first.conversation_id, "sampling": Sampling(max_tokens=600)}
    second = await ended(chat, await chat.send(ME, "more " * 700, **again))
    assert [m["role"] for m in fake.asked[-1]["messages"]] == ["user"] and second.dropped_messages == 2
    assert "did not fit into the context, by an estimate of their tokens, and were left out" in view.note(second)
    xray = XrayService(chat, chat.models)
    (shown,) = [item async for item in xray.look(ME, "prompt", second.id, {})]
    assert "2 earlier messages were left out: by an estimate" in shown["why"]
    xray.inspector.close()


async def test_a_cut_reply_goes_on_from_its_words_and_says_that_nobody_knows_how(chat: Chat, fake: FakeRemote) -> None:
    fake.pieces = [say(content="Once upon"), over("length")]
    cut = await ended(chat, await chat.send(ME, "A tale"))
    assert cut.can_continue and view.line(cut, [cut.id], 0).more
    fake.pieces = [say(content=" a time"), over()]
    whole = await ended(chat, await actions.resume(chat, ME, cut.id))
    assert whole.reply == "Once upon a time" and whole.continues == cut.id
    assert fake.asked[-1]["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert "whether it went on from it or began anew" in view.note(whole) and "whether it" not in view.note(cut)
    with pytest.raises(ChatError, match="gives text, not token ids"):
        await actions.branch(chat, ME, cut.id, 0, 5)


async def test_stop_keeps_what_came_and_the_server_sees_it(chat: Chat, fake: FakeRemote) -> None:
    fake.held.clear()
    fake.hold_after = 2
    turn = await chat.send(ME, "Where?")
    await until(lambda: turn.reply_text == "Hello ")
    await chat.stop(ME, turn.id)
    stored = await asyncio.to_thread(chat.store.turn, ME, turn.id)
    assert (stored.reply, stored.finish_reason) == ("Hello ", "stopped") and stored.told["said"]["model"] == "org/far"
    assert await asyncio.to_thread(fake.gone.wait, 10)


async def test_a_failure_in_the_middle_keeps_what_was_written(chat: Chat, fake: FakeRemote) -> None:
    fake.pieces = [say(content="So far"), {"error": {"message": f"no memory for {KEY}"}}]
    turn = await ended(chat, await chat.send(ME, "Where?"))
    assert (turn.reply, turn.finish_reason) == ("So far", "error")
    assert turn.error.endswith("stopped the reply: no memory for ….") and view.note(turn) == turn.error


async def test_a_server_that_is_not_there_fails_in_words_and_is_asked_again(fake: FakeRemote, tmp_path: Path) -> None:
    models = ModelManager(Settings(model=fake.url, data_dir=tmp_path))
    models.start()
    with pytest.raises(ChatError, match=r"could not be loaded: .* answered 401: .*CHATAPP_REMOTE_KEYS.* Load it again"):
        await models.first.wait_ready()
    assert models.first.state == "failed"
    fake.key = ""
    models.first.wake()
    assert (await models.first.wait_ready()).info.model == f"{fake.url}#org/far"
    models.close()


async def test_settings_that_the_server_refuses_are_greyed_out_from_then_on(chat: Chat, fake: FakeRemote) -> None:
    fake.unknown = ("top_k",)
    await ended(chat, await chat.send(ME, "Where?"))
    assert "Unexpected fields" in panel.status(chat.models.first)["limits"]["off"]["top_k"]


async def test_one_of_several_is_loaded_by_its_address_beside_the_first(chat: Chat, fake: FakeRemote) -> None:
    fake.models = [{"id": "org/far"}, {"id": "org/near"}]
    slot = await chat.models.load(f"{fake.url}#org/near")
    await slot.wait_ready()
    shown = labels([one.id for one in chat.models.slots()])
    assert set(shown.values()) == {fake.origin.removeprefix("http://"), "near"} and chat.models.find("near") is slot
    with pytest.raises(ChatError, match="ftp:// is not spoken here"):
        await chat.models.load("ftp://host/model")


async def test_xray_shows_what_was_sent_and_said_and_nothing_that_needs_tokens(chat: Chat, fake: FakeRemote) -> None:
    turn = await ended(chat, await chat.send(ME, "Where?"))
    xray = XrayService(chat, chat.models)

    async def look(name: str, **more: Any) -> Any:
        return [item async for item in xray.look(ME, name, turn.id, {"text": "a b"}, **more)][-1]

    shown = await look("prompt")
    assert json.loads(shown["text"]) == fake.asked[0] and json.loads(shown["heard"])["usage"]["completion_tokens"] == 3
    card = await look("card")
    assert (
        card["card"]["counted"] == [40, 3]
        and "not token ids" in card["why_not"]
        and not card["offer"]
        and not card["anyway"]
        and KEY not in str(card)
    )
    for name in ("probabilities", "attention", "layers", "model", "tokenizer", "perplexity"):
        for anyway in (False, True):
            with pytest.raises(
                ChatError, match=r"far at 127\.0\.0\.1:\d+ wrote this reply: another server, which gave words and no tokens"
            ):
                await look(name, anyway=anyway)
    with pytest.raises(ChatError, match="not token ids"):
        await look("replay")
    xray.inspector.close()


async def test_what_needs_weights_does_not_offer_it(chat: Chat, fake: FakeRemote) -> None:
    await chat.models.first.wait_ready()
    inspector, strangers = Inspector(chat.models), Settings(public=True)
    assert (await TextActions(chat.models, strangers, TextService(inspector)).listed(ME, {}))["models"] == []
    assert ClassifyService(inspector, strangers).chats() == []
    with pytest.raises(ChatError, match="run by another server, and this needs its weights"):
        await find(chat.models, fake.url, local=True)
    actions = ModelsActions(chat.models, chat.models.settings, Downloads(chat.models.tasks))
    with pytest.raises(ChatError, match="run by another server, and this needs its weights"):
        await Saving(actions).save(ME, {"id": fake.url, "folder": "mine"})
    inspector.close()


async def test_a_list_that_is_no_list_is_a_sentence(fake: FakeRemote, tmp_path: Path) -> None:
    fake.listing = JSONResponse(["far"])
    models = ModelManager(Settings(model=fake.url, data_dir=tmp_path, remote_keys=f"{fake.origin}={KEY}"))
    models.start()
    with pytest.raises(ChatError, match="names no model: say which"):
        await models.first.wait_ready()
    models.close()
