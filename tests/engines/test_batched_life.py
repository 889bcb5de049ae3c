"""The batched engine over its life: cancelled replies give their pages back, failures are told and survived, closing ends all."""

import asyncio

import pytest
import torch

from chatapp.engines.batched.engine import BatchedEngine
from chatapp.engines.batched.paged import CPU_PAGE
from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.turn import Token
from tests.batches import (
    GREEDY,
    HOT,
    TEXT,
    MakeBatched,
    counted,
    expected,
    failing,
    ids,
    pages_free,
    pages_in_use,
    prompt_of,
    reply,
    settled,
)


@pytest.fixture
def engine(make_batched: MakeBatched) -> BatchedEngine:
    return make_batched()


async def test_closing_a_reply_frees_its_pages_and_leaves_the_others_alone(engine: BatchedEngine) -> None:
    total = pages_free(engine._batch.cache)
    prompt = prompt_of(engine, length=200)
    other = asyncio.create_task(reply(engine, prompt_of(engine, "hello world "), GREEDY))
    with counted(engine) as steps:
        stream = engine.generate(prompt, Sampling(temperature=2.0, top_k=0, max_tokens=800))
        seen = [await anext(stream) for _ in range(4)]
        assert pages_in_use(engine._batch.cache) >= 200 // CPU_PAGE
        await stream.aclose()
        assert ids(await other) == expected(engine, prompt_of(engine, "hello world "))
        await settled(engine)
    assert len(steps) < 400, "it wrote on after it was closed"
    assert isinstance(seen[-1], Token)
    assert pages_free(engine._batch.cache) == total
    assert not engine._batch.manager.output_router.result_handlers
    assert not engine._batch.scheduler.reused


async def test_a_reply_cancelled_while_its_prompt_is_read_frees_its_pages(engine: BatchedEngine) -> None:
    total = pages_free(engine._batch.cache)
    begun, loop = asyncio.Event(), asyncio.get_running_loop()
    hook = engine.model.register_forward_pre_hook(lambda module, args: loop.call_soon_threadsafe(begun.set) and None)
    with counted(engine) as steps:
        task = asyncio.create_task(reply(engine, prompt_of(engine, length=900), GREEDY))
        await begun.wait()
        hook.remove()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settled(engine)
    assert sum(steps) <= 900
    assert pages_free(engine._batch.cache) == total


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory, says the test"), SystemExit()], ids=["exception", "silent death"])
async def test_a_dead_batch_fails_everybody_soon_and_the_next_request_starts_it_again(engine: BatchedEngine, error: BaseException) -> None:
    dead = engine._batch
    prompts = [prompt_of(engine, f"{n} {TEXT}", 30) for n in range(4)]
    with failing(engine, error):
        async with asyncio.timeout(30):
            failures = await asyncio.gather(*(reply(engine, p, GREEDY) for p in prompts), return_exceptions=True)
    assert [type(f) for f in failures] == [ChatError] * 4
    assert all("starts again with the next message" in str(f) and f.status == 503 for f in failures)
    assert all(str(error) in str(f) for f in failures)
    replies = await asyncio.gather(*(reply(engine, p, GREEDY) for p in prompts))
    assert [ids(r) for r in replies] == [expected(engine, p) for p in prompts]
    assert engine._batch is not dead
    assert not dead.manager.is_running()


async def test_closing_the_engine_fails_its_replies_and_ends_its_thread(make_batched: MakeBatched) -> None:
    engine = make_batched()
    thread = engine._batch.manager._generation_thread
    running = engine.generate(prompt_of(engine), Sampling(temperature=2.0, top_k=0, max_tokens=900))
    await anext(running)
    engine.close()
    with pytest.raises(ChatError, match="unloaded"):
        async for _ in running:
            pass
    assert not thread.is_alive()
    with pytest.raises(ChatError, match="unloaded"):
        await anext(engine.generate([1, 2], GREEDY))


def test_its_thread_does_not_keep_a_process_alive(engine: BatchedEngine) -> None:
    assert engine._batch.manager._generation_thread.daemon


@pytest.mark.parametrize("prompt", [[], [5] * 1020], ids=["empty", "too long"])
async def test_a_request_that_cannot_fit_is_refused_and_harms_nobody(engine: BatchedEngine, prompt: list[int]) -> None:
    with pytest.raises(ChatError, match=rf"{len(prompt)} tokens and 24 are reserved for the reply; a person has 1024"):
        await reply(engine, prompt, GREEDY)
    assert ids(await reply(engine, prompt_of(engine), GREEDY)) == expected(engine, prompt_of(engine))


@pytest.mark.parametrize("folder", ["tiny_llama", "tiny_gpt2"])
async def test_the_module_and_copies_of_its_config_stay_causal_during_a_batch(
    folder: str, make_batched: MakeBatched, request: pytest.FixtureRequest
) -> None:
    engine = make_batched(request.getfixturevalue(folder))
    prompt = torch.tensor([prompt_of(engine)])
    alone, config = engine.model(prompt).logits, engine.model.config.to_dict()
    running = engine.generate(prompt_of(engine, "hello world ", 100), HOT)
    async for _ in running:
        torch.testing.assert_close(engine.model(prompt).logits, alone)
        assert engine.model.config.to_dict() == config
