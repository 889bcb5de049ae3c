"""Weights that serve quicker are made beside the replies and put in place between two of them; what fails leaves all as it was."""

import asyncio
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chatapp.engines.bandwidth import known
from chatapp.engines.base import Capabilities
from chatapp.errors import ChatError
from chatapp.models.info import ModelInfo
from chatapp.models.sources import Source
from chatapp.resident import weighed
from chatapp.resident.improve import TITLE, improve, tend
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.tasks import Step
from chatapp.turn import Token
from tests.openers import roomy


class Improvable:
    """An engine of version `made`, whose better one takes three steps to make."""

    def __init__(self, shop: "Shop") -> None:
        self.shop, self.made, self.closed = shop, shop.made, False
        self.info = ModelInfo("model", "", 0, 10, "cpu", "Q8_0" if shop.made else "Q4_1", "a test", "none")
        self.capabilities = Capabilities(shop.context, ())
        self.tokenizer = None

    def improvement(self):
        return None if self.made else self.shop.work()

    def close(self) -> None:
        self.closed = True


class Shop:
    """Opens engines and makes the better one; `fail` ends that with a ChatError, `busy` says that replies are being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.joinpath("model.gguf").write_bytes(b"small")
        self.made = self.fail = self.busy = False
        self.context = 10
        self.steps = 0
        self.opened: list[Improvable] = []

    def find(self, settings: Settings) -> Source:
        return Source("model", "embedded", gguf=self.folder / "model.gguf")

    def open(self, source: Source, settings: Settings, progress) -> Improvable:
        self.opened.append(Improvable(self))
        return self.opened[-1]

    def work(self):
        for share in (0.25, 0.5, 1.0):
            if self.fail and share > 0.25:
                raise ChatError("The disk is full.")
            self.steps += 1
            yield share
        self.made = True


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
async def slot(shop: Shop):
    models = ModelManager(Settings(), find=shop.find, open=shop.open, budget=roomy())
    models.start()
    await models.first.wait_ready()
    yield models.first
    models.close()


async def until(true) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_the_better_one_takes_the_place_of_the_first(slot: ModelSlot, shop: Shop) -> None:
    await improve(slot, lambda: shop.busy)
    first, second = shop.opened
    assert slot.engine is second and slot.info.dtype == "Q8_0" and first.closed and not second.closed
    assert (slot.state, next((task.title, task.state) for task in slot.house.tasks.of("me"))) == ("ready", (TITLE, "done"))


async def test_the_work_rests_while_replies_are_written_and_the_page_is_told(slot: ModelSlot, shop: Shop) -> None:
    shop.busy = True
    improving = asyncio.create_task(improve(slot, lambda: shop.busy))
    await until(lambda: shop.steps)
    await asyncio.sleep(0.3)
    task = slot.house.tasks.of("me")[0]
    assert shop.steps == 1 and slot.state == "ready" and task.step == Step("Waiting until nobody is being answered", 0.25)
    shop.busy = False
    await improving
    assert slot.info.dtype == "Q8_0"


async def test_a_person_may_cancel_it(slot: ModelSlot, shop: Shop) -> None:
    shop.busy = True
    improving = asyncio.create_task(improve(slot, lambda: shop.busy))
    await until(lambda: shop.steps)
    slot.house.tasks.cancel("me", slot.house.tasks.of("me")[0].id, local=True)
    await improving
    assert slot.engine is shop.opened[0] and slot.house.tasks.of("me")[0].state == "cancelled" and not shop.made


async def test_nobody_is_interrupted_by_the_change(slot: ModelSlot, shop: Shop) -> None:
    improving = asyncio.create_task(improve(slot, lambda: len(shop.opened) == 2 and not shop.busy))
    await until(lambda: len(shop.opened) == 2)
    await asyncio.sleep(0.3)
    assert slot.engine is shop.opened[0] and not shop.opened[0].closed
    shop.busy = True
    await improving
    assert slot.engine is shop.opened[1]


async def test_a_failure_leaves_everything_as_it_was_with_a_line_in_the_log(slot: ModelSlot, shop: Shop, caplog) -> None:
    shop.fail = True
    with caplog.at_level(logging.WARNING):
        await improve(slot, lambda: False)
    assert slot.engine is shop.opened[0] and not shop.opened[0].closed and slot.house.tasks.of("me")[0].error == "The disk is full."
    assert [record.getMessage() for record in caplog.records] == [
        "The model goes on with the weights as they were shipped: The disk is full."
    ]


async def test_where_the_new_one_has_less_room_the_first_stays(slot: ModelSlot, shop: Shop, caplog) -> None:
    shop.context = 5
    await improve(slot, lambda: False)
    assert slot.engine is shop.opened[0] and shop.opened[1].closed and "the next start serves it" in caplog.text


async def test_the_bandwidth_of_the_memory_is_measured_once_while_nobody_is_answered(scripted, tmp_path: Path) -> None:
    models = ModelManager.of(scripted, Settings(data_dir=tmp_path))
    tending = asyncio.create_task(tend(models, 0))
    await until(lambda: known(tmp_path))
    tending.cancel()
    await asyncio.wait([tending])
    assert "tokens a second" not in str(weighed.facts(models.first)), "nothing was forecast for it"


async def test_leaving_ends_the_work(slot: ModelSlot, shop: Shop) -> None:
    shop.busy = True
    improving = asyncio.create_task(improve(slot, lambda: shop.busy))
    await until(lambda: shop.steps)
    improving.cancel()
    await asyncio.wait([improving])
    shop.busy = False
    await asyncio.sleep(0.3)
    assert shop.steps == 1 and not shop.made


async def test_the_embedded_model_starts_as_shipped_and_goes_on_in_the_better_format(smol_gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    from chatapp.engines.llamacpp.native import uses_amx

    if uses_amx():
        pytest.skip("there the format as shipped is served")
    settings = Settings(data_dir=tmp_path, engine="llamacpp", context=512, concurrency=2, threads=1)
    models = ModelManager(settings)
    slot = models.first
    models.start()
    first = await slot.wait_ready()
    assert (first.info.dtype, first.info.shipped) == ("Q4_1", "") and str(slot.held).startswith("98.4 MB weights")
    await improve(slot, lambda: False)
    info = slot.info
    said = {"dtype": "Q8_0, made from the shipped Q4_1", "shipped": "Q4_1", "dtype_reason": info.dtype_reason}
    assert info == replace(first.info, **said) and "reads prompts faster" in info.dtype_reason
    assert str(slot.held).startswith("0.1 GB weights") and weighed.numbers(slot)["measured"] > slot.held.weights
    await check_replies(slot.engine)
    models.close()
    again = ModelManager(settings)
    again.start()
    assert (await again.first.wait_ready()).info.dtype == info.dtype and copies(tmp_path) == 1
    again.close()


def copies(folder: Path) -> int:
    return len([*folder.glob("llamacpp/*/model.gguf")])


async def check_replies(engine) -> None:
    parrot = "🦜"
    say = [{"role": "user", "content": f"Repeat exactly: {parrot * 8}"}]
    chat = [*say, {"role": "assistant", "content": parrot * 8}, *say]
    prompt = engine.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    emoji = engine.tokenizer.encode(parrot, add_special_tokens=False)
    events = [event async for event in engine.generate(prompt, Sampling(temperature=0.0, max_tokens=30))]
    tokens = [event for event in events if isinstance(event, Token)]
    assert [token.id for token in tokens][: 3 * len(emoji)] == 3 * emoji and len(tokens) == 30
    assert "".join(token.text for token in tokens).startswith(3 * parrot)
