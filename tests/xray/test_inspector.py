"""X-ray's bench: it shares the resident weights, keeps one more model at most, runs on one thread, and leaves the chat alone."""

import asyncio
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.engines.direct.engine import DirectEngine
from chatapp.errors import ChatError
from chatapp.models.identity import ModelId, revision_of
from chatapp.models.remembered import remember
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.tasks import Step
from chatapp.xray import preparing
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import why_not_load
from chatapp.xray.thread import NICE
from chatapp.xray.views import attention, layers, model, probabilities, prompt, tokenizer
from chatapp.xray.whose import NotLoaded
from tests.chats import ME, ended
from tests.conftest import Scripted
from tests.directs import GREEDY, SHORT, drawn, endless
from tests.xrays import gone, last, loaded, told


@pytest.fixture
async def chat(tiny_llama: Path, make_direct, tmp_path: Path):
    chat = Chat(ModelManager.of(make_direct(endless(tiny_llama))), Store(f"sqlite:///{tmp_path}/chat.db"))
    yield chat
    await chat.shutdown()


@pytest.fixture
def inspector(chat: Chat):
    made = Inspector(chat.models)
    yield made
    made.close()


async def inspected(inspector: Inspector, whose: ModelId):
    return [item async for item in inspector.inspected(whose)][-1]


async def test_the_inspected_model_shares_the_resident_weights_and_is_made_once(chat: Chat, inspector: Inspector) -> None:
    name = chat.models.first.info.id
    first = await inspected(inspector, name)
    mine = next(chat.models.first.engine.model.parameters())
    assert next(first.model.parameters()).data_ptr() == mine.data_ptr()
    assert await inspected(inspector, name) is first and "resident float32" in first.note


async def test_the_next_view_waits_for_the_preparation_that_the_last_one_began(chat: Chat, inspector: Inspector, monkeypatch) -> None:
    """Each view that was opened for a moment queued one of its own, and the last one waited for them all."""
    name, built, build = chat.models.first.info.id, [], preparing.over_resident
    monkeypatch.setattr(preparing, "over_resident", lambda *given: built.append(given) or build(*given))
    left = inspector.inspected(name)
    while "Preparing" not in (await anext(left)).words:
        pass
    await left.aclose()
    second, third = await asyncio.gather(inspected(inspector, name), inspected(inspector, name))
    assert second is third and len(built) == 1 and not inspector.models._preparing


async def test_an_engine_without_a_model_of_its_own_is_recomputed_from_its_file(
    tiny_llama: Path, scripted: Scripted, tmp_path: Path
) -> None:
    models = ModelManager.of(scripted, Settings(model=str(tiny_llama), data_dir=tmp_path))
    inspector = Inspector(models)
    found = await inspected(inspector, scripted.info.id)
    assert found.note == "recomputed in float32" and found.model.dtype == torch.float32
    inspector.close()


async def test_a_reply_of_remade_weights_is_recomputed_from_the_shipped_ones_and_says_so(
    tiny_llama: Path, scripted: Scripted, tmp_path: Path
) -> None:
    scripted.info = replace(scripted.info, dtype="Q8_0, made from the shipped Q4_1", shipped="Q4_1")
    models = ModelManager.of(scripted, Settings(model=str(tiny_llama), data_dir=tmp_path))
    inspector = Inspector(models)
    assert (await inspected(inspector, scripted.info.id)).note == "recomputed in float32 from the shipped Q4_1 weights"
    inspector.close()


async def test_a_chat_in_flight_draws_the_same_tokens_while_every_view_runs(chat: Chat, inspector: Inspector) -> None:
    engine = chat.models.first.engine
    alone = await drawn(engine, SHORT, GREEDY)
    turn = await told(chat)

    async def looking() -> None:
        for _ in range(3):
            await last(probabilities.probabilities(inspector, turn))
            await last(attention.attention(inspector, turn, "all"))
            await last(layers.layers(inspector, turn, 0, 8))
            inspector._logits.clear()

    async def writing() -> list[list[int]]:
        return [await drawn(engine, SHORT, GREEDY) for _ in range(6)]

    _, written = await asyncio.gather(looking(), writing())
    assert written == [alone] * 6


async def test_another_model_is_offered_and_then_stands_beside_the_first_with_its_weights_shared(
    chat: Chat, inspector: Inspector, tiny_gpt2: Path
) -> None:
    turn = await told(chat)
    turn.model, turn.revision = tiny_gpt2.name, revision_of(tiny_gpt2)
    with pytest.raises(NotLoaded, match="Where its files lie is not known here") as refused:
        await last(probabilities.probabilities(inspector, turn))
    assert refused.value.offer == ""
    remember(tiny_gpt2, turn.revision, chat.models.settings.data_dir)
    with pytest.raises(NotLoaded) as refused:
        await last(probabilities.probabilities(inspector, turn))
    assert refused.value.offer == f"{tiny_gpt2.name}@{turn.revision}" and chat.models.first.info.model in str(refused.value)
    assert str(tiny_gpt2) not in str(refused.value), "a path is the host's own"
    slot = await loaded(inspector, refused.value.offer)
    assert slot in chat.models.slots() and [task.title for task in chat.models.tasks.of("")] == [f"Load {refused.value.offer}"]
    assert (await last(probabilities.probabilities(inspector, turn)))["rows"]
    assert (await last(model.architecture(inspector, turn)))["summary"]["kind"] == "GPT2LMHeadModel"
    for here in chat.models.slots():
        found = await inspected(inspector, here.info.id)
        assert next(found.model.parameters()).data_ptr() == next(here.engine.model.parameters()).data_ptr(), here.id
    assert chat.models.copies.all() == []
    slot.leave()
    async with asyncio.timeout(10):
        while slot.state != "unloaded":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with pytest.raises(NotLoaded) as refused:
        inspector.tokenizer(turn)
    assert refused.value.offer, "it is known here, and loads again"


async def test_the_weights_of_an_engine_go_with_the_engine(tiny_llama: Path, scripted: Scripted) -> None:
    engine = DirectEngine(endless(tiny_llama), Settings(threads=1))
    inspector = Inspector(ModelManager.of(engine))
    twin = weakref.ref((await inspected(inspector, engine.info.id)).model)
    engine.close()
    inspector.served.first._engine = scripted
    del engine
    await gone(twin)
    inspector.close()


OPEN = [
    {"host": "0.0.0.0", "public": True},
    {"share": True, "public": True},
    {"allowed_hosts": ("chat.example.org",)},
    {"host": "0.0.0.0", "auth": ("ann:pw",)},
]


@pytest.mark.parametrize("given", OPEN, ids=str)
async def test_strangers_cannot_have_models_loaded_and_learn_nothing_of_the_servers_folders(
    chat: Chat, inspector: Inspector, tiny_gpt2: Path, tmp_path: Path, given: dict
) -> None:
    chat.models.settings = Settings(**given)
    with pytest.raises(ChatError, match="only where the app is not open to everyone"):
        await loaded(inspector, str(tiny_gpt2))
    with pytest.raises(ChatError, match="not open to everyone"):
        await last(tokenizer.tokenizer(inspector, chat.models.first.info.id, "hi", str(tiny_gpt2)))
    said = set()
    for name in (str(tiny_gpt2), str(tmp_path), str(tmp_path / "nothing"), "/etc", "/etc/passwd", "org/name", "no such name", ""):
        for asking in (loaded(inspector, name), inspector.any_tokenizer(ModelId(name, ""))):
            with pytest.raises(ChatError) as refused:
                await asking
            said.add(str(refused.value))
    assert len(said) == 1, "the same sentence whatever lies there"


async def test_a_stranger_is_not_offered_what_is_refused(chat: Chat, inspector: Inspector) -> None:
    turn = await told(chat)
    turn.model, turn.revision = "/etc", ""
    chat.models.settings = Settings(public=True)
    shown = await last(prompt.prompt(inspector, turn))
    assert shown["offer"] == "" and "not open to everyone" in shown["why"] and shown["text"] == turn.prompt_text
    with pytest.raises(NotLoaded) as refused:
        await last(probabilities.probabilities(inspector, turn))
    assert refused.value.offer == ""


def test_the_person_at_this_machine_may_load_models() -> None:
    assert why_not_load(Settings()) == why_not_load(Settings(auth=("a:b",))) == ""


async def test_xray_takes_one_thread_and_leaves_the_number_of_the_others(chat: Chat, inspector: Inspector) -> None:
    torch.set_num_threads(2)
    name = chat.models.first.info.id
    await asyncio.gather(inspected(inspector, name), inspected(inspector, name))  # two views, opened one right after the other
    assert await inspector.run(torch.get_num_threads) == 1
    assert torch.get_num_threads() == 2
    later: list[int] = []
    new = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    new.start()
    new.join()
    assert later == [2]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is the whole process's")
async def test_xrays_thread_comes_after_the_models(inspector: Inspector) -> None:
    def nice(thread: int) -> int:
        return os.getpriority(os.PRIO_PROCESS, thread)

    chats = nice(threading.get_native_id())
    assert await inspector.run(lambda: nice(threading.get_native_id())) == chats, "whoever imports PyTorch holds up everybody"
    assert [step async for step in inspector._thread.wake()]
    assert await inspector.run(lambda: nice(threading.get_native_id())) == min(19, chats + NICE)


def test_the_servers_loop_does_not_import_pytorch() -> None:
    """It would stand still for seconds, and everybody with it."""
    code = """
import asyncio, sys
from chatapp.turn import Turn
from chatapp.xray import preparing
from chatapp.xray.inspector import Inspector

async def begun():
    return (await anext(Inspector(None).logits(Turn("me", "chat", "hi")))).words

print(asyncio.run(begun()), "torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "Starting PyTorch False\n"


async def test_leaving_a_view_ends_its_work(chat: Chat, inspector: Inspector) -> None:
    turn = await told(chat)
    view = probabilities.probabilities(inspector, turn)
    async for item in view:
        if isinstance(item, Step) and item.share:
            break
    await view.aclose()
    assert (turn.id, turn.revision) not in inspector._logits


async def test_what_was_read_is_kept_within_its_bytes(chat: Chat, inspector: Inspector, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await told(chat), await told(chat, "And Rome?")
    await last(probabilities.probabilities(inspector, first))
    await last(probabilities.probabilities(inspector, second))
    assert [id for id, _ in inspector._logits] == [first.id, second.id]
    monkeypatch.setattr("chatapp.models.memory.CACHES", 4)
    third = await ended(chat, await actions.regenerate(chat, ME, first.id))
    await last(probabilities.probabilities(inspector, third))
    assert [id for id, _ in inspector._logits] == [third.id]
