"""A run of the direct engine can be stopped at any time, fail, and wait for others; the engine goes on."""

import asyncio
import inspect
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from chatapp.engines.direct.engine import CHUNK, DirectEngine
from chatapp.errors import ChatError
from chatapp.models.loading import Loaded
from chatapp.sampling import Sampling
from tests.directs import GREEDY, LONG, SHORT, Watched, drawn, endless, run, settled


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> Loaded:
    return endless(tiny_llama)


@pytest.fixture
def engine(make_direct, llama: Loaded) -> DirectEngine:
    return make_direct(llama)


@pytest.fixture
def watched(llama: Loaded) -> Watched:
    return Watched(llama.model)


async def test_closing_stops_within_one_step(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    watched.pause = 0.02
    events = engine.generate(SHORT, Sampling(max_tokens=500))
    for _ in range(4):  # Prefilled and three tokens
        await anext(events)
    seen = len(watched.lengths)
    await events.aclose()
    assert await settled(watched) <= seen + 1
    assert (await run(engine, SHORT, GREEDY))[-1].reason == "length"


async def test_cancelling_stops_between_two_chunks_of_the_prompt(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    watched.pause = 0.05
    watched.entered.clear()  # the engine has run one token to warm up
    task = asyncio.create_task(drawn(engine, LONG, GREEDY))
    await asyncio.to_thread(watched.entered.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await settled(watched) <= 3
    watched.pause = 0
    assert (await run(engine, LONG, GREEDY))[0].reused in (CHUNK, 2 * CHUNK)  # what was read is not read again


async def test_a_waiting_run_that_is_closed_never_starts(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    watched.pause = 0.01
    watched.entered.clear()
    first = asyncio.create_task(drawn(engine, SHORT, GREEDY))
    await asyncio.to_thread(watched.entered.wait)
    second = asyncio.create_task(drawn(engine, LONG, GREEDY))
    await asyncio.sleep(0.02)
    second.cancel()
    assert len(await first) == 24
    assert await settled(watched) == 1 + 24  # the warm-up, the prompt, and each token but the last


async def test_two_runs_at_once_are_served_one_after_the_other_and_do_not_mix(engine, make_direct, llama: Loaded) -> None:
    fresh = make_direct(llama, kv_caches=0)
    prompts = [SHORT, SHORT[::-1], LONG[50:90]]
    expected = [await drawn(fresh, p, GREEDY) for p in prompts]
    assert await asyncio.gather(*(drawn(engine, p, GREEDY) for p in prompts)) == expected
    assert engine.capabilities.concurrency == 1


async def test_the_number_of_threads_does_not_grow(engine) -> None:
    await run(engine, SHORT, GREEDY)
    before = threading.active_count()
    for n in range(10):
        await run(engine, [n + 3, *SHORT], Sampling(max_tokens=2))
    assert threading.active_count() == before


async def test_an_exception_reaches_the_caller_and_the_engine_lives_on(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    watched.failure = ValueError("a bug in the model")
    with pytest.raises(ValueError, match="a bug in the model"):
        await run(engine, SHORT, GREEDY)
    assert len(await drawn(engine, SHORT, GREEDY)) == 24


@pytest.mark.parametrize(
    "failure", [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 7"), MemoryError()]
)
async def test_out_of_memory_frees_the_caches_and_says_the_numbers(
    make_direct, llama: Loaded, watched: Watched, failure: BaseException
) -> None:
    engine = make_direct(replace(llama, model=watched))
    await run(engine, SHORT, GREEDY)
    watched.failure = failure
    with pytest.raises(ChatError, match=r"out of memory on cpu, with a prompt of 778 tokens and up to 24 for the reply") as caught:
        await run(engine, LONG, GREEDY)
    assert caught.value.__context__ is None
    assert engine._caches.kept == []
    assert len(await drawn(engine, SHORT, GREEDY)) == 24


async def test_broken_numbers_are_an_error_and_not_a_token(make_direct, llama: Loaded) -> None:
    class Broken(Watched):
        def forward(self, *args, **kwargs):
            out = super().forward(*args, **kwargs)
            out.logits[:] = float("nan")
            return out

        forward.__signature__ = inspect.signature(Watched.forward)

    engine = make_direct(replace(llama, model=Broken(llama.model)))
    with pytest.raises(ChatError, match="not a number in float32"):
        await run(engine, SHORT, GREEDY)


async def test_a_closed_engine_ends_its_run_and_refuses_new_ones(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    watched.pause = 0.01
    events = engine.generate(SHORT, Sampling(max_tokens=500))
    await anext(events)
    await asyncio.to_thread(engine.close)
    with pytest.raises(ChatError, match="unloaded"):
        async for _ in events:
            pass
    with pytest.raises(ChatError, match="unloaded"):
        await run(engine, SHORT, GREEDY)


async def test_a_dead_worker_is_replaced(engine) -> None:
    await run(engine, SHORT, GREEDY)
    engine._worker._jobs.put(None)  # what ends its thread
    await asyncio.to_thread(engine._worker._thread.join)
    assert len(await drawn(engine, SHORT, GREEDY)) == 24
