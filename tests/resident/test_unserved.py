"""Encoders and classifiers, which no engine serves: in the one budget, on the page with their memory, gone when they are in the way."""

import asyncio
import weakref
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify.service import ClassifyService, Wanted
from chatapp.models.downloads import Downloads
from chatapp.pages.models_actions import ModelsActions
from chatapp.resident.admission import asked_by
from chatapp.resident.budget import Budget
from chatapp.resident.copies import Copies, Unserved
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector
from chatapp.xray.text.service import TextService
from chatapp.xray.text.which import find
from tests.chats import ME
from tests.conftest import Scripted
from tests.encoders import make_classifier, make_encoder
from tests.xrays import gone, last

TEXT = "hello world"


class Memory:
    """A machine that is full while anything stands beside the models."""

    def __init__(self) -> None:
        self.budget = Budget(free=lambda device: 0 if self.budget.copies.all() else 2**40)


@pytest.fixture
async def inspector(scripted: Scripted, tiny_llama: Path, tmp_path: Path) -> AsyncIterator[Inspector]:
    make_classifier(tmp_path / "models" / "judge")
    make_encoder(tmp_path / "models" / "bert")
    models = ModelManager.of(scripted, Settings(model=str(tiny_llama), data_dir=tmp_path, threads=1), budget=Memory().budget)
    asked_by.set(ME)
    made = Inspector(models)
    yield made
    made.close()
    models.close()


async def held(inspector: Inspector) -> list[Unserved]:
    """An encoder and a classifier, after somebody looked through each."""
    models = inspector.served
    await last(TextService(inspector).look("depth", TEXT, [await find(models, "bert", local=True)], {}, load=True))
    await last(ClassifyService(inspector, models.settings).look(Wanted("judge"), TEXT, local=True))
    return models.copies.all()


async def test_they_stand_on_the_page_with_their_memory_and_are_unloaded_there(inspector: Inspector) -> None:
    encoder, classifier = await held(inspector)
    models = inspector.served
    page = ModelsActions(models, models.settings, Downloads(models.tasks))
    before = await page.overview(ME, {})
    assert [row["name"] for row in before["copies"]] == ["bert (encoder)", "judge (classifier)"]
    assert all(row["memory"] == "0.1 MB in float32" for row in before["copies"])
    weights = weakref.ref(encoder.it.model)
    await page.unload(ME, {"id": encoder.id, "copy": True})
    await gone(weights)
    after = await page.overview(ME, {"have": before["sign"]})
    assert [row["id"] for row in after["copies"]] == [classifier.id]
    assert (encoder.name, classifier.name) == ("the encoder bert", "the classifier judge")


async def test_they_leave_when_a_load_needs_the_room(inspector: Inspector, tiny_gpt2: Path) -> None:
    await held(inspector)
    second = await inspector.served.load(str(tiny_gpt2))
    await second.wait_ready()
    assert inspector.served.copies.all() == [] and inspector.served.first.state == "ready"


async def test_one_that_is_looked_through_stays_and_is_named(inspector: Inspector, tiny_gpt2: Path) -> None:
    encoder, classifier = await held(inspector)
    with encoder.staying():
        second = await inspector.served.load(str(tiny_gpt2))
        with pytest.raises(ChatError, match=r"In memory are the encoder bert \(0\.1 MB\)"):
            await second.wait_ready()
    assert inspector.served.copies.all() == [encoder] and classifier.it is None


async def test_a_classifier_stays_as_long_as_whoever_opened_it(inspector: Inspector) -> None:
    service = ClassifyService(inspector, inspector.served.settings)
    with ExitStack() as staying:
        async for _ in service.opened(Wanted("judge"), staying, local=True):
            pass
        (classifier,) = inspector.served.copies.all()
        assert classifier.looked == 1
    assert classifier.looked == 0


async def test_of_a_kind_only_the_two_used_last_are_kept(tmp_path: Path) -> None:
    copies = Copies()
    for n, name in enumerate(("one", "two", "three")):
        copies.put(Unserved("encoder", name, tmp_path / name, object(), 1, used=float(n)))
        copies.put(Unserved("classifier", name, tmp_path / name, object(), 1, used=float(n)))
    assert [one.label for one in copies.unserved("encoder")] == ["two", "three"] == [one.label for one in copies.unserved("classifier")]
    assert copies.find("encoder", tmp_path / "two").label == "two" and copies.find("encoder", tmp_path / "one") is None
    copies.put(Unserved("encoder", "four", tmp_path / "four", object(), 1))
    assert [one.label for one in copies.unserved("encoder")] == ["two", "four"], "which was found is used"


async def test_two_who_ask_for_one_wait_for_the_same(inspector: Inspector) -> None:
    service = ClassifyService(inspector, inspector.served.settings)
    await asyncio.gather(*(last(service.look(Wanted("judge"), TEXT, local=True)) for _ in range(2)))
    assert len(inspector.served.copies.all()) == 1
