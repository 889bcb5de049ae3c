"""Several models under one budget: which are found by which names, who leaves for whom, and what is said where none can."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from chatapp.errors import ChatError
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.settings import Settings
from tests.openers import Opener


@pytest.fixture
def opener() -> Opener:
    return Opener()


@pytest.fixture
async def models(opener: Opener):
    models = ModelManager(Settings(model="org/first"), find=opener.find, open=opener.open, budget=opener.budget)
    models.start()
    await models.first.wait_ready()
    yield models
    models.close()


async def loaded(models: ModelManager, name: str) -> ModelSlot:
    slot = await models.load(name)
    await slot.wait_ready()
    return slot


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def states(models: ModelManager) -> dict[str, str]:
    return {slot.id: slot.state for slot in models.slots()}


async def test_a_second_model_stands_beside_the_first_and_is_loaded_once(models: ModelManager, opener: Opener) -> None:
    second = await loaded(models, "org/second")
    assert await models.load("org/second") is second is models.get("org/second")
    assert states(models) == {"org/first": "ready", "org/second": "ready"} and len(opener.opened) == 2
    assert [task.title for task in models.tasks.of("me")] == ["Load org/second", "Load org/first"]


def test_a_model_that_was_named_twice_is_there_once(opener: Opener) -> None:
    settings = Settings(model="org/first", more_models=("org/second", "org/first"))
    models = ModelManager(settings, find=opener.find, open=opener.open, budget=opener.budget)
    models.start()
    assert list(states(models)) == ["org/first", "org/second"]
    models.close()


async def test_a_name_finds_what_it_means_and_never_guesses(models: ModelManager) -> None:
    await loaded(models, "me/second")
    await loaded(models, "you/second")
    assert models.find("first") is models.find("default") is models.find("") is models.first is models.find("org/first")
    with pytest.raises(ChatError, match="'second' is the name of several models here: me/second, you/second") as several:
        models.find("second")
    with pytest.raises(ChatError, match="There are: org/first, me/second, you/second") as none:
        models.find("org/frist")
    assert "no model 'org/frist' here" in str(none.value) and str(none.value).endswith("Did you mean org/first?")
    assert (several.value.status, none.value.status) == (400, 404)


async def test_a_misspelt_name_changes_nothing(models: ModelManager) -> None:
    with pytest.raises(ChatError, match="misspelt was not found"):
        await models.load("misspelt")
    assert states(models) == {"org/first": "ready"}


async def test_the_idle_model_needed_longest_ago_leaves_for_another(models: ModelManager, opener: Opener) -> None:
    opener.sizes = {"org/first": 40, "second": 40, "third": 40}
    second = await loaded(models, "second")
    models.first.queue.enter("x", "chat", "me").leave()
    await loaded(models, "third")
    assert states(models) == {"org/first": "ready", "second": "unloaded", "third": "ready"}
    assert opener.engine("second").closed and not opener.engine("org/first").closed
    second.wake()
    await second.wait_ready()
    assert states(models) == {"org/first": "unloaded", "second": "ready", "third": "ready"}


async def test_a_model_that_answers_never_leaves_and_the_refusal_says_the_numbers(models: ModelManager, opener: Opener) -> None:
    opener.sizes = {"org/first": 0, "second": 60, "third": 70}
    second = await loaded(models, "second")
    reply = second.queue.enter("x", "chat", "me")
    third = await models.load("third")
    with pytest.raises(ChatError) as refused:
        await third.wait_ready()
    said = str(refused.value)
    assert "third does not fit: it needs 77.0 GB" in said and "and 40.0 GB are free" in said
    assert "second (60.0 GB, answering 1 message): unload one when its replies are done" in said
    assert (second.state, reply.admitted.done(), opener.engine("second").closed) == ("ready", True, False)
    reply.leave()
    third.wake()
    await third.wait_ready()
    assert states(models) == {"org/first": "unloaded", "second": "unloaded", "third": "ready"}


async def test_what_left_for_a_model_that_fails_comes_back(models: ModelManager, opener: Opener) -> None:
    opener.sizes = {"org/first": 60, "second": 60}
    models.first.held = opener.needs(opener.find(models.first.settings), models.first.settings, 1)
    opener.failures["second"] = ChatError("The file is cut short.")
    second = await models.load("second")
    with pytest.raises(ChatError, match="The file is cut short"):
        await second.wait_ready()
    await until(lambda: models.first.state == "ready")
    assert states(models) == {"org/first": "ready", "second": "failed"} and not models.first.engine.closed
    models.unload("second")
    assert states(models) == {"org/first": "ready"}, "what failed is forgotten"


async def failed(models: ModelManager, opener: Opener, name: str) -> ModelSlot:
    opener.failures[name] = ChatError("The file is cut short. Fetch it again.")
    slot = await models.load(name)
    with pytest.raises(ChatError, match=f"^{name} could not be loaded: The file is cut short. Fetch it again. Load it again"):
        await slot.wait_ready()
    return slot


def tasks(models: ModelManager) -> list[tuple[str, str]]:
    return [(task.title, task.state) for task in models.tasks.of("me") if task.title != "Load org/first"]


async def test_a_failure_that_is_dismissed_in_the_list_leaves_the_tray(models: ModelManager, opener: Opener) -> None:
    await failed(models, opener, "second")
    assert tasks(models) == [("Load second", "failed")]
    models.unload("second")
    assert tasks(models) == [] and states(models) == {"org/first": "ready"}


async def test_a_failure_that_is_dismissed_in_the_tray_leaves_the_list(models: ModelManager, opener: Opener) -> None:
    await failed(models, opener, "second")
    models.tasks.dismiss("me", models.tasks.of("me")[0].id, local=True)
    assert tasks(models) == [] and states(models) == {"org/first": "ready"}


async def test_a_failure_goes_by_itself_when_the_model_loads_later(models: ModelManager, opener: Opener) -> None:
    second = await failed(models, opener, "second")
    opener.failures.clear()
    await (await models.load("second")).wait_ready()
    assert tasks(models) == [("Load second", "done")] and second.state == "ready"


async def test_a_model_named_at_the_start_stays_known_when_its_failure_is_dismissed(opener: Opener) -> None:
    models = ModelManager(Settings(model="a", more_models=("b",)), find=opener.find, open=opener.open, budget=opener.budget)
    models.start()
    await failed(models, opener, "b")
    models.unload("b")
    assert states(models) == {"a": "ready", "b": "unloaded"} and models.find("b").error == "" and len(models.tasks.of("me")) == 1
    models.close()


async def test_unloading_lets_replies_end_and_takes_no_more(models: ModelManager, opener: Opener) -> None:
    second = await loaded(models, "second")
    reply = second.queue.enter("x", "chat", "me")
    models.unload("second")
    assert (second.state, opener.engine("second").closed) == ("leaving", False)
    reply.leave()
    await until(lambda: opener.engine("second").closed)
    assert second.state == "unloaded" and models.get("second") is second and second.known


async def test_an_idle_model_is_unloaded_and_loads_again_for_whoever_comes(models: ModelManager, opener: Opener) -> None:
    models.unload_idle(60)
    assert models.first.state == "ready"
    models.unload_idle(0)
    await until(lambda: opener.engine("org/first").closed)
    ticket = models.first.queue.enter("x", "chat", "me")
    assert not ticket.admitted.done()
    async with asyncio.timeout(5):
        await ticket.admitted
    assert models.first.state == "ready"


async def test_the_models_named_at_the_start_are_known_and_load_on_first_use(opener: Opener) -> None:
    models = ModelManager(Settings(model="a", more_models=("org/b",)), find=opener.find, open=opener.open, budget=opener.budget)
    models.start()
    await models.first.wait_ready()
    assert states(models) == {"a": "ready", "org/b": "unloaded"} and models.find("b").settings.model == "org/b"
    models.close()


async def test_two_folders_of_one_name_are_two_models(tiny_llama, tiny_gpt2, tmp_path) -> None:
    for run, folder in (("one", tiny_llama), ("two", tiny_gpt2)):
        (tmp_path / run).mkdir()
        (tmp_path / run / "checkpoint-500").symlink_to(folder)
    copy = [tmp_path / run / "checkpoint-500" for run in ("one", "two")]
    settings = Settings(model=str(tiny_llama), more_models=tuple(map(str, copy)), data_dir=tmp_path)
    models = ModelManager(settings)
    ids = [models.house.find(slot.settings).id for slot in models.slots()]
    assert ids[0] == ids[1] != ids[2] and all("@sha256:" in id for id in ids), "the same weights are the same model"
    models.close()


async def test_nothing_is_loaded_before_the_page_answers(opener: Opener) -> None:
    launched = threading.Event()
    models = ModelManager(Settings(model="org/first"), find=opener.find, open=opener.open, budget=opener.budget)
    models.start(launched)
    assert models.first.state == "loading" and not opener.opened
    launched.set()
    assert await models.first.wait_ready() is opener.opened[0]
    models.close()
