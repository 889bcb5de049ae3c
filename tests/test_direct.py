"""The direct engine: the same ids as model.generate, repeatable, stoppable, and no turn read twice."""

import asyncio
import inspect
import pickle
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import AutoModelForCausalLM, LogitsProcessorList, MistralConfig

from chatapp.engines.direct import CHUNK, DirectEngine
from chatapp.errors import ChatError
from chatapp.models import loading
from chatapp.models.loading import Loaded
from chatapp.models.sources import resolve
from chatapp.settings import Settings
from chatapp.turn import Event, Finish, Prefilled, Sampling, Token

LONG = [3 + n * 7 % 390 for n in range(3 * CHUNK + 10)]
SHORT = LONG[:20]
GREEDY = Sampling(temperature=0, max_tokens=24)


class Watched(torch.nn.Module):
    """A model that counts its forward passes, can wait in them, and can fail in the next one."""

    def __init__(self, model) -> None:
        super().__init__()
        self.inner = model
        self.config, self.generation_config, self.device = model.config, model.generation_config, model.device
        self.lengths: list[int] = []
        self.pause = 0.0
        self.failure: BaseException | None = None
        self.entered = threading.Event()

    def num_parameters(self) -> int:
        return self.inner.num_parameters()

    def forward(self, input_ids, past_key_values, use_cache, logits_to_keep):
        self.lengths.append(input_ids.shape[1])
        self.entered.set()
        time.sleep(self.pause)
        if self.failure:
            failure, self.failure = self.failure, None
            raise failure
        return self.inner(input_ids=input_ids, past_key_values=past_key_values, use_cache=use_cache, logits_to_keep=logits_to_keep)


def load(folder: Path) -> Loaded:
    return loading.load(resolve(str(folder), data_dir=folder), Settings(dtype="float32", device="cpu"))


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> Loaded:
    """Without an end-of-turn token that a random model might draw."""
    loaded = load(tiny_llama)
    loaded.model.generation_config.eos_token_id = None
    return loaded


@pytest.fixture
def make(request: pytest.FixtureRequest):
    """Engines that are closed after the test; their model is not touched."""

    def make(loaded: Loaded, *, ends: bool = False, **values) -> DirectEngine:
        engine = DirectEngine(loaded, Settings(**{"threads": 1, **values}))
        if not ends:
            engine._ends = frozenset()
        request.addfinalizer(engine.close)
        return engine

    return make


@pytest.fixture
def engine(make, llama: Loaded) -> DirectEngine:
    return make(llama)


@pytest.fixture
def watched(llama: Loaded) -> Watched:
    return Watched(llama.model)


async def run(engine: DirectEngine, ids, sampling: Sampling) -> list[Event]:
    return [event async for event in engine.generate(ids, sampling)]


def ids_of(events: list[Event]) -> list[int]:
    return [e.id for e in events if isinstance(e, Token)]


async def drawn(engine: DirectEngine, ids, sampling: Sampling) -> list[int]:
    return ids_of(await run(engine, ids, sampling))


def by_generate(model, ids, **options) -> list[int]:
    batch = torch.tensor([list(ids)])
    out = model.generate(
        input_ids=batch, attention_mask=torch.ones_like(batch), max_new_tokens=24, pad_token_id=0, top_p=1.0, **{"top_k": 0, **options}
    )
    return out[0, len(ids) :].tolist()


@pytest.mark.parametrize("ids", [SHORT, LONG], ids=["short", "four chunks"])
@pytest.mark.parametrize("kind", ["tiny_llama", "tiny_gpt2"])
async def test_greedy_ids_are_those_of_generate(request, make, kind: str, ids: list[int]) -> None:
    loaded = load(request.getfixturevalue(kind))
    loaded.model.generation_config.eos_token_id = None
    assert await drawn(make(loaded), ids, GREEDY) == by_generate(loaded.model, ids, do_sample=False)


@pytest.mark.parametrize(
    "values",
    [dict(temperature=0.8), dict(temperature=0.7, top_k=40), dict(temperature=1.3, top_k=50, min_p=0.05, repetition_penalty=1.2)],
    ids=str,
)
async def test_sampled_ids_are_those_of_generate_with_the_same_seed(make, llama: Loaded, values: dict) -> None:
    torch.manual_seed(5)
    expected = by_generate(llama.model, SHORT, do_sample=True, **values)
    assert await drawn(make(llama), SHORT, Sampling(**{"top_k": 0, **values}, top_p=1.0, seed=5, max_tokens=24)) == expected


async def test_a_repetition_penalty_changes_greedy_replies_as_in_generate(engine, llama: Loaded) -> None:
    expected = by_generate(llama.model, SHORT, do_sample=False, repetition_penalty=1.8)
    assert await drawn(engine, SHORT, Sampling(temperature=0, max_tokens=24, repetition_penalty=1.8)) == expected
    assert expected != by_generate(llama.model, SHORT, do_sample=False)


async def test_a_seed_repeats_a_reply_and_no_seed_does_not(engine) -> None:
    seeded, free = Sampling(seed=1, max_tokens=24), Sampling(max_tokens=24)
    first = await drawn(engine, SHORT, seeded)
    assert first == await drawn(engine, SHORT, seeded)
    assert first != await drawn(engine, SHORT, Sampling(seed=2, max_tokens=24))
    assert await drawn(engine, SHORT, free) != await drawn(engine, SHORT, free)


async def test_a_run_reports_prefill_tokens_and_why_it_ended(engine, llama: Loaded) -> None:
    events = await run(engine, [*SHORT, llama.tokenizer.convert_tokens_to_ids("a")], GREEDY)
    assert events[0] == Prefilled(reused=0)
    assert isinstance(events[-1], Finish) and events[-1].reason == "length"
    assert all(isinstance(e, Token) for e in events[1:-1]) and len(events) == 26
    text = "".join(e.text for e in events[1:])
    assert llama.tokenizer.decode(ids_of(events)).startswith(text)


async def test_logprob_is_of_the_models_own_distribution(engine, llama: Loaded) -> None:
    events = await run(engine, SHORT, Sampling(temperature=1.7, top_k=5, seed=3, max_tokens=4))
    ids = ids_of(events)
    with torch.no_grad():
        logits = llama.model(torch.tensor([SHORT + ids])).logits[0].log_softmax(-1)
    expected = [float(logits[len(SHORT) - 1 + n, i]) for n, i in enumerate(ids)]
    assert [e.logprob for e in events[1:-1]] == pytest.approx(expected, abs=1e-4)


async def test_the_end_token_is_recorded_but_not_shown(make, llama: Loaded) -> None:
    engine = make(llama)
    plain = await drawn(engine, SHORT, GREEDY)
    engine._ends = frozenset({plain[3]})
    at = plain.index(plain[3])
    events = await run(engine, SHORT, GREEDY)
    assert ids_of(events) == plain[: at + 1]
    assert events[-2].text == "" and events[-1].reason == "end"


async def test_a_stop_string_ends_the_run_unseen(engine) -> None:
    words = [e.text for e in (await run(engine, SHORT, GREEDY))[1:-1]]
    full = "".join(words)
    stop = full[4:7]
    events = await run(engine, SHORT, Sampling(temperature=0, max_tokens=24, stop=(stop,)))
    assert events[-1] == Finish("stop")
    assert "".join(e.text for e in events[1:-1]) == full[: full.index(stop)]


async def test_a_reply_that_goes_on_inside_a_character_finishes_it(make, llama: Loaded) -> None:
    smile = llama.tokenizer("😀", add_special_tokens=False).input_ids
    begun = next(n for n in range(1, len(smile)) if not llama.tokenizer.decode(smile[:n]).strip("\ufffd"))
    engine = make(llama)
    rest = iter(smile[begun:])
    engine._draw = lambda *_: (next(rest), -1.0)  # the model writes just the missing bytes
    events = await run(engine, llama.tokenizer("Hi ").input_ids + smile[:begun], Sampling(max_tokens=len(smile) - begun))
    assert "".join(e.text for e in events[1:]) == "😀"


async def test_a_second_turn_reads_only_what_is_new(make, llama: Loaded, watched: Watched) -> None:
    engine = make(replace(llama, model=watched))
    first = await drawn(engine, SHORT, GREEDY)
    second = SHORT + first + [40, 41, 42]
    watched.lengths.clear()
    events = await run(engine, second, GREEDY)
    held = len(SHORT) + len(first) - 1  # the last drawn token was never run
    assert events[0] == Prefilled(reused=held)
    assert watched.lengths[0] == len(second) - held
    assert ids_of(events) == await drawn(make(llama, kv_caches=0), second, GREEDY)


async def test_regenerating_and_branching_reuse_the_prompt_and_change_nothing(make, llama: Loaded) -> None:
    engine, fresh = make(llama), make(llama, kv_caches=0)
    first = await drawn(engine, LONG, GREEDY)
    for prompt, reused in [(LONG, len(LONG) - 1), (LONG + first[:5] + [77], len(LONG) + 5), (LONG[:300] + [9] * 30, 300)]:
        events = await run(engine, prompt, GREEDY)
        assert events[0] == Prefilled(reused=reused)
        assert ids_of(events) == await drawn(fresh, prompt, GREEDY)
    again = await run(engine, LONG + first[:-1] + [50], GREEDY)
    assert again[0] == Prefilled(reused=len(LONG) + 23)  # the first reply's cache is still whole


async def test_kept_caches_are_bounded_in_number_and_bytes(make, llama: Loaded) -> None:
    engine = make(llama, kv_caches=2)
    for n in range(4):
        await run(engine, [10 + n, *SHORT], GREEDY)
    assert [k.ids[0] for k in engine._caches.kept] == [12, 13]
    one = engine._caches.kept[0].nbytes
    assert one == 2 * 2 * 2 * 16 * 4 * 256  # layers x (keys, values) x heads x head size x float32 x one block
    small = make(llama, kv_bytes=one * 2 + 1)
    for n in range(4):
        await run(small, [10 + n, *SHORT], GREEDY)
    assert [k.ids[0] for k in small._caches.kept] == [12, 13]
    tiny = make(llama, kv_bytes=one - 1)
    await run(tiny, SHORT, GREEDY)
    assert tiny._caches.kept == []


async def test_sliding_windows_stay_right_and_say_why_nothing_is_reused(make, llama: Loaded) -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=9,
    )
    model = AutoModelForCausalLM.from_config(config).eval()
    model.generation_config.eos_token_id = None
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
    engine = make(replace(llama, model=model))
    assert "sliding-window" in engine.capabilities.off["prefix_reuse"]
    for prompt in (LONG[:700], [*LONG[:700], 5], LONG[:30]):
        events = await run(engine, prompt, GREEDY)
        assert events[0] == Prefilled(reused=0)
        assert ids_of(events) == by_generate(model, prompt, do_sample=False)


async def settled(watched: Watched) -> int:
    """Forward passes after nothing has been added for a while."""
    count = -1
    while count != len(watched.lengths):
        count = len(watched.lengths)
        await asyncio.sleep(0.15)
    return count


async def test_closing_stops_within_one_step(make, llama: Loaded, watched: Watched) -> None:
    engine = make(replace(llama, model=watched))
    watched.pause = 0.02
    events = engine.generate(SHORT, Sampling(max_tokens=500))
    for _ in range(4):  # Prefilled and three tokens
        await anext(events)
    seen = len(watched.lengths)
    await events.aclose()
    assert await settled(watched) <= seen + 1
    assert (await run(engine, SHORT, GREEDY))[-1].reason == "length"


async def test_cancelling_stops_between_two_chunks_of_the_prompt(make, llama: Loaded, watched: Watched) -> None:
    engine = make(replace(llama, model=watched))
    watched.pause = 0.05
    task = asyncio.create_task(drawn(engine, LONG, GREEDY))
    await asyncio.to_thread(watched.entered.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await settled(watched) <= 2
    watched.pause = 0
    assert (await run(engine, LONG, GREEDY))[0].reused in (CHUNK, 2 * CHUNK)  # what was read is not read again


async def test_a_waiting_run_that_is_closed_never_starts(make, llama: Loaded, watched: Watched) -> None:
    engine = make(replace(llama, model=watched))
    watched.pause = 0.01
    first = asyncio.create_task(drawn(engine, SHORT, GREEDY))
    await asyncio.to_thread(watched.entered.wait)
    second = asyncio.create_task(drawn(engine, LONG, GREEDY))
    await asyncio.sleep(0.02)
    second.cancel()
    assert len(await first) == 24
    assert await settled(watched) == 1 + 24  # the warm-up, the prompt, and each token but the last


async def test_two_runs_at_once_are_served_one_after_the_other_and_do_not_mix(engine, make, llama: Loaded) -> None:
    fresh = make(llama, kv_caches=0)
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


async def test_an_exception_reaches_the_caller_and_the_engine_lives_on(make, llama: Loaded, watched: Watched) -> None:
    engine = make(replace(llama, model=watched))
    watched.failure = ValueError("a bug in the model")
    with pytest.raises(ValueError, match="a bug in the model"):
        await run(engine, SHORT, GREEDY)
    assert len(await drawn(engine, SHORT, GREEDY)) == 24


@pytest.mark.parametrize(
    "failure", [torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 7"), MemoryError()]
)
async def test_out_of_memory_frees_the_caches_and_says_the_numbers(make, llama: Loaded, watched: Watched, failure: BaseException) -> None:
    engine = make(replace(llama, model=watched))
    await run(engine, SHORT, GREEDY)
    watched.failure = failure
    with pytest.raises(ChatError, match=r"out of memory on cpu, with a prompt of 778 tokens and up to 24 for the reply") as caught:
        await run(engine, LONG, GREEDY)
    assert caught.value.__context__ is None
    assert engine._caches.kept == []
    assert len(await drawn(engine, SHORT, GREEDY)) == 24


async def test_broken_numbers_are_an_error_and_not_a_token(make, llama: Loaded) -> None:
    class Broken(Watched):
        def forward(self, *args, **kwargs):
            out = super().forward(*args, **kwargs)
            out.logits[:] = float("nan")
            return out

        forward.__signature__ = inspect.signature(Watched.forward)

    engine = make(replace(llama, model=Broken(llama.model)))
    with pytest.raises(ChatError, match="not a number in float32"):
        await run(engine, SHORT, GREEDY)


async def test_a_closed_engine_ends_its_run_and_refuses_new_ones(make, llama: Loaded, watched: Watched) -> None:
    engine = make(replace(llama, model=watched))
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


@pytest.mark.parametrize("ids", [[], [5] * 2048])
async def test_impossible_prompts_are_refused_with_the_numbers(engine, ids: list[int]) -> None:
    with pytest.raises(ChatError, match=f"The prompt has {len(ids)} tokens; this model takes 1 to 2047"):
        await run(engine, ids, GREEDY)


async def test_on_zerogpu_the_run_is_handed_to_the_gpu_process(make, llama: Loaded, monkeypatch) -> None:
    spaces = ModuleType("spaces")
    handed = []
    spaces.GPU = lambda steps: lambda *values: (handed.append(pickle.loads(pickle.dumps(values))), steps(*values))[1]
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert len(await drawn(make(llama), SHORT, GREEDY)) == 24
    assert handed == [(tuple(SHORT), GREEDY)]


def test_neutral_settings_need_no_processors() -> None:
    from chatapp.engines.sampling import processors

    assert processors(Sampling(temperature=1.0, top_p=1.0, top_k=0)) == LogitsProcessorList()
    names = [type(p).__name__ for p in processors(Sampling(temperature=0.5, top_p=0.9, top_k=3, min_p=0.1, repetition_penalty=1.1))]
    assert names == [
        "RepetitionPenaltyLogitsProcessor",
        "TemperatureLogitsWarper",
        "TopKLogitsWarper",
        "TopPLogitsWarper",
        "MinPLogitsWarper",
    ]
    greedy = [type(p).__name__ for p in processors(Sampling(temperature=0, top_k=3, repetition_penalty=1.1))]
    assert greedy == ["RepetitionPenaltyLogitsProcessor"]
