"""X-ray's copy of weights that an engine holds elsewhere: a task of whoever looks, in the one budget, gone when it is in the way."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from chatapp.chat.service import Chat
from chatapp.errors import ChatError
from chatapp.models.downloads import Downloads
from chatapp.models.memory import weight_bytes
from chatapp.pages.models_actions import ModelsActions
from chatapp.resident.admission import asked_by
from chatapp.resident.budget import Budget
from chatapp.resident.copies import Copy
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import looked_into
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.tasks import Cancelled
from chatapp.xray.inspector import Inspector
from chatapp.xray.service import XrayService
from tests.chats import ME, YOU, ended
from tests.conftest import Scripted
from tests.xrays import GREEDY, gone, last


class Memory:
    """A machine whose main memory holds `total` bytes beside X-ray's copies, which take all that is there."""

    def __init__(self) -> None:
        self.total = 2**40
        self.budget = Budget(free=self.free)

    def free(self, device: str) -> int:
        return 0 if self.budget.copies.all() else self.total


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
async def models(scripted: Scripted, tiny_llama: Path, tmp_path: Path, memory: Memory) -> AsyncIterator[ModelManager]:
    """One model, in an engine whose weights X-ray cannot share."""
    models = ModelManager.of(scripted, Settings(model=str(tiny_llama), data_dir=tmp_path, threads=1), budget=memory.budget)
    asked_by.set(ME)
    yield models
    models.close()


@pytest.fixture
async def inspector(models: ModelManager) -> AsyncIterator[Inspector]:
    made = Inspector(models)
    yield made
    made.close()


async def look(inspector: Inspector) -> Copy:
    """X-ray's copy of the first model, after somebody looked into it."""
    async for _ in inspector.inspected(inspector.served.first.info.id):
        pass
    (copy,) = inspector.served.copies.all()
    return copy


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_it_is_the_task_of_whoever_looks_and_is_made_once(models: ModelManager, inspector: Inspector) -> None:
    copy = await look(inspector)
    (task,) = models.tasks.of(ME)
    assert (task.title, task.kind, task.state, task.owner) == (f"Load X-ray's copy of {models.first.id}", "load", "done", ME)
    assert models.tasks.of(YOU) == [] and await look(inspector) is copy and len(models.tasks.of(ME)) == 1
    assert copy.bytes == weight_bytes(copy.it.model) > 10**5


async def test_it_stands_on_the_page_with_its_memory_and_is_unloaded_there(models: ModelManager, inspector: Inspector) -> None:
    weights = weakref.ref((await look(inspector)).it.model)
    page = ModelsActions(models, models.settings, Downloads(models.tasks))
    first = models.first
    (row,) = (await page.overview(ME, {}))["copies"]
    assert row == {"id": first.id, "name": f"X-ray's copy of {first.info.model}", "memory": "0.5 MB in float32"}
    await page.unload(ME, {"id": first.id, "copy": True})
    await gone(weights)
    assert (await page.overview(ME, {}))["copies"] == [] and first.state == "ready"
    with pytest.raises(ChatError, match="is in memory beside the served models"):
        await page.unload(ME, {"id": first.id, "copy": True})


async def test_where_it_does_not_fit_the_numbers_are_said(models: ModelManager, inspector: Inspector, memory: Memory) -> None:
    memory.total = 10**5
    with pytest.raises(ChatError) as refused:
        await look(inspector)
    said = str(refused.value)
    assert f"X-ray's copy of {models.first.id} does not fit" in said and "needs 0.6 MB; 0.1 MB are free. Close other programs." in said
    (task,) = models.tasks.of(ME)
    assert (task.state, task.error) == ("failed", said)


async def test_it_leaves_when_a_load_needs_the_room(models: ModelManager, inspector: Inspector, tiny_gpt2: Path) -> None:
    weights = weakref.ref((await look(inspector)).it.model)
    second = await models.load(str(tiny_gpt2))
    await second.wait_ready()
    await gone(weights)
    assert models.copies.all() == [] and models.first.state == "ready"


async def test_one_that_is_looked_into_stays_and_is_named(models: ModelManager, inspector: Inspector, tiny_gpt2: Path) -> None:
    await look(inspector)
    with looked_into(models.first):
        second = await models.load(str(tiny_gpt2))
        with pytest.raises(ChatError, match=r"In memory are X-ray's copy of .* \(0\.5 MB\)"):
            await second.wait_ready()
    assert models.copies.all()


async def test_it_is_cancelled_and_begun_again_in_the_tray(models: ModelManager, inspector: Inspector, memory: Memory) -> None:
    memory.budget._alone.acquire()
    looking = asyncio.create_task(look(inspector))
    await until(lambda: any("Waiting until" in task.step.words for task in models.tasks.of(ME)))
    (task,) = models.tasks.of(ME)
    models.tasks.cancel(ME, task.id, local=False)
    with pytest.raises(Cancelled):
        await looking
    assert task.state == "cancelled" and models.copies.all() == []
    memory.budget._alone.release()
    models.tasks.retry(ME, task.id, local=False)
    await until(lambda: models.copies.all() != [])
    assert [(task.state, task.owner) for task in models.tasks.of(ME)] == [("done", ME)]


async def test_a_model_that_is_looked_into_does_not_leave(models: ModelManager, inspector: Inspector) -> None:
    with looked_into(models.first):
        models.unload_idle(0)
        assert models.first.state == "ready"
        models.unload(models.first.id)
        assert models.first.state == "leaving" and models.first.take() is None
    assert models.first.state == "unloaded"


async def test_a_model_that_left_is_offered_to_everybody_and_the_view_waits_while_it_loads(
    tiny_llama: Path, tmp_path: Path, memory: Memory
) -> None:
    models = ModelManager(Settings(model=str(tiny_llama), data_dir=tmp_path, threads=1, public=True), budget=memory.budget)
    models.start()
    await models.first.wait_ready()
    chat = Chat(models, Store("sqlite://"))
    service = XrayService(chat, models)
    turn = await ended(chat, await chat.send(ME, "Where is Paris?", sampling=GREEDY))
    models.unload(models.first.id)
    await until(lambda: models.first.state == "unloaded")
    card = await last(service.look(ME, "card", turn.id, {}))
    assert card["offer"] == models.first.id and "no model is loaded. Load" in card["why_not"]
    assert (await last(service.load(ME, turn.id, card["offer"]))) == {"loaded": models.first.id}
    models.unload(models.first.id)
    await until(lambda: models.first.state == "unloaded")
    models.first.wake()
    assert (await last(service.look(ME, "model", turn.id, {})))["summary"], "it waits for what is coming"
    with pytest.raises(ChatError, match="only where the app is not open to everyone"):
        await last(service.load(ME, turn.id, "/etc"))
    service.inspector.close()
    await chat.shutdown()
    models.close()
