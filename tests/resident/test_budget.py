"""What a model will take, read from its headers, against what it takes; and two real models answering at the same moment."""

import asyncio
import shutil
import threading
from pathlib import Path

import pytest

from chatapp.chat.service import Chat
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.sources import resolve
from chatapp.resident.budget import Budget
from chatapp.resident.copies import Copies, Copy
from chatapp.resident.manager import ModelManager
from chatapp.resident.needs import forecast
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.store import Store
from tests.chats import ME, ended
from tests.openers import Opener
from tests.tiny import one_more_step

GREEDY = Sampling(temperature=0.0, max_tokens=40)


def settings(model: Path, data_dir: Path, **given) -> Settings:
    return Settings(model=str(model), data_dir=data_dir, **{"device": "cpu", "dtype": "float32", "threads": 1} | given)


@pytest.mark.parametrize(("name", "per_token"), [("tiny_llama", 2 * 2 * 2 * 16 * 4), ("tiny_gpt2", 2 * 2 * 4 * 16 * 4)])
def test_a_folder_is_weighed_by_its_headers(name: str, per_token: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    from chatapp.models.loading import load
    from chatapp.models.memory import weight_bytes

    folder = request.getfixturevalue(name)
    given = settings(folder, tmp_path)
    models = ModelManager(given)
    source = models.house.find(given)
    need = forecast(source, given)
    taken = weight_bytes(load(source, given).model)
    assert abs(need.weights - taken) <= 0.1 * taken
    assert (need.per_token, need.context, need.concurrency) == (per_token, 2048, 1)


@pytest.mark.parametrize(("config", "why"), [(b"\xff\xfe", "not valid JSON"), (b'{"architectures": 5}', "architectures is 5")])
def test_a_configuration_that_says_what_none_says_is_refused_in_words(tiny_llama: Path, tmp_path: Path, config: bytes, why: str) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "odd")
    (folder / "config.json").write_bytes(config)
    given = settings(folder, tmp_path)
    with pytest.raises(ChatError, match=why):
        forecast(resolve(str(folder), data_dir=tmp_path), given)


def test_a_gguf_is_weighed_as_the_engine_runs_it(smol_gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    given = settings(smol_gguf, tmp_path, concurrency=4)
    source = ModelManager(given).house.find(given)
    served = forecast(source, given)
    assert 90e6 < served.weights < 110e6 and (served.concurrency, served.context, served.per_token) == (4, 2048, 23040)
    direct = forecast(source, given.model_copy(update={"engine": "direct", "context": 512}))
    assert 500e6 < direct.weights < 700e6 and (direct.concurrency, direct.context, direct.per_token) == (1, 512, 46080)


async def test_two_real_models_answer_at_the_same_moment_and_one_leaves_for_a_third(
    tiny_llama: Path, tiny_gpt2: Path, smol: Path, tmp_path: Path
) -> None:
    free = [2**40]
    models = ModelManager(settings(tiny_llama, tmp_path, engine="direct"), budget=Budget(free=lambda device: free[0]))
    models.start()
    await models.first.wait_ready()
    second = await models.load(str(tiny_gpt2))
    await second.wait_ready()
    chat = Chat(models, Store("sqlite://"))
    one, two = await chat.send(ME, "Hi", sampling=GREEDY), await chat.send(ME, "Hi", sampling=GREEDY, model=second.id)
    assert (chat.position(one.id), chat.position(two.id)) == (None, None)
    free[0] = 2**20
    third = await models.load(str(smol))
    done = [await ended(chat, turn) for turn in (one, two)]
    assert [turn.revision for turn in done] == [models.first.known.revision, second.known.revision] and all(t.reply_ids for t in done)
    with pytest.raises(ChatError, match=r"does not fit: it needs .* and 1\.0 MB are free"):
        await third.wait_ready()
    assert third.state == "failed"
    async with asyncio.timeout(20):
        while models.first.state == "loading" or second.state == "loading":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await chat.shutdown()
    models.close()


async def test_while_one_writes_the_idle_one_leaves_and_the_reply_is_finished(tiny_llama: Path, tiny_gpt2: Path, tmp_path: Path) -> None:
    budget = Budget()
    budget.free = lambda device: 2**40 if sum(slot.loaded is not None for slot in budget.slots) < 2 else 0
    models = ModelManager(settings(tiny_llama, tmp_path, engine="direct"), budget=budget)
    models.start()
    writing = await models.first.wait_ready()
    goes_on = paused(writing, 5)
    idle = await models.load(str(tiny_gpt2))
    await idle.wait_ready()
    chat = Chat(models, Store("sqlite://"))
    turn = await chat.send(ME, "Hi", sampling=GREEDY)
    third = await models.load(str(one_more_step(tiny_llama, tmp_path / "next")))
    await third.wait_ready()
    assert [slot.state for slot in (models.first, idle, third)] == ["ready", "unloaded", "ready"] and models.first.engine is writing
    goes_on.set()
    done = await ended(chat, turn)
    assert (done.finish_reason, len(done.reply_ids)) == ("length", GREEDY.max_tokens)
    await chat.shutdown()
    models.close()


def paused(engine: Engine, after: int) -> threading.Event:
    """Its replies have no end of their own, and wait for this event after so many."""
    goes_on, steps = threading.Event(), engine._steps

    def gated(ids, sampling):
        for number, event in enumerate(steps(ids, sampling)):
            if number == after:
                assert goes_on.wait(60)
            yield event

    engine._steps, engine._ends = gated, frozenset()
    return goes_on


async def test_what_is_too_large_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    opener, fetched = Opener(), []
    opener.sizes = {"org/large": 500, "org/small": 50}
    budget = Budget(opener.needs, opener.free, lambda source, settings, progress: fetched.append(source.name))
    models = ModelManager(Settings(model="org/small", data_dir=tmp_path), find=opener.find, open=opener.open, budget=budget)
    models.start()
    await models.first.wait_ready()
    large = await models.load("org/large")
    with pytest.raises(ChatError, match=r"org/large does not fit: it needs 550\.0 GB .* and 50\.0 GB are free\. In memory are org/small"):
        await large.wait_ready()
    assert fetched == ["org/small"]
    models.close()


class BrokenCopies(Copies):
    """A list that cannot be read."""

    def all(self) -> list[Copy]:
        raise ChatError("No list of copies.")


async def test_what_fails_on_the_loop_is_raised_in_the_thread_that_waits_for_it() -> None:
    budget = Budget()
    budget.copies = BrokenCopies()
    budget.attach()
    async with asyncio.timeout(10):
        with pytest.raises(ChatError, match="No list"):
            await asyncio.to_thread(budget.holding, None)
