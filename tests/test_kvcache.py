"""KV caches between turns: no turn is read twice, no reply changes by it, and memory is bounded."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig

from chatapp.models.loading import Loaded
from chatapp.turn import Prefilled
from tests.directs import GREEDY, LONG, SHORT, Watched, by_generate, drawn, endless, ids_of, run


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> Loaded:
    return endless(tiny_llama)


@pytest.fixture
def watched(llama: Loaded) -> Watched:
    return Watched(llama.model)


async def test_a_second_turn_reads_only_what_is_new(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    first = await drawn(engine, SHORT, GREEDY)
    second = SHORT + first + [40, 41, 42]
    watched.lengths.clear()
    events = await run(engine, second, GREEDY)
    held = len(SHORT) + len(first) - 1  # the last drawn token was never run
    assert events[0] == Prefilled(reused=held)
    assert watched.lengths[0] == len(second) - held
    assert ids_of(events) == await drawn(make_direct(llama, kv_caches=0), second, GREEDY)


async def test_regenerating_and_branching_reuse_the_prompt_and_change_nothing(make_direct, llama: Loaded) -> None:
    engine, fresh = make_direct(llama), make_direct(llama, kv_caches=0)
    first = await drawn(engine, LONG, GREEDY)
    for prompt, reused in [(LONG, len(LONG) - 1), (LONG + first[:5] + [77], len(LONG) + 5), (LONG[:300] + [9] * 30, 300)]:
        events = await run(engine, prompt, GREEDY)
        assert events[0] == Prefilled(reused=reused)
        assert ids_of(events) == await drawn(fresh, prompt, GREEDY)
    again = await run(engine, LONG + first[:-1] + [50], GREEDY)
    assert again[0] == Prefilled(reused=len(LONG) + 23)  # the first reply's cache is still whole


async def test_kept_caches_are_bounded_in_number_and_bytes(make_direct, llama: Loaded) -> None:
    engine = make_direct(llama, kv_caches=2)
    for n in range(4):
        await run(engine, [10 + n, *SHORT], GREEDY)
    assert [k.ids[0] for k in engine._caches.kept] == [12, 13]
    one = engine._caches.kept[0].nbytes
    assert one == 2 * 2 * 2 * 16 * 4 * 256  # layers x (keys, values) x heads x head size x float32 x one block
    small = make_direct(llama, kv_bytes=one * 2 + 1)
    for n in range(4):
        await run(small, [10 + n, *SHORT], GREEDY)
    assert [k.ids[0] for k in small._caches.kept] == [12, 13]
    tiny = make_direct(llama, kv_bytes=one - 1)
    await run(tiny, SHORT, GREEDY)
    assert tiny._caches.kept == []


async def test_sliding_windows_stay_right_and_say_why_nothing_is_reused(make_direct, llama: Loaded) -> None:
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
    engine = make_direct(replace(llama, model=model))
    assert "sliding-window" in engine.capabilities.off["prefix_reuse"]
    for prompt in (LONG[:700], [*LONG[:700], 5], LONG[:30]):
        events = await run(engine, prompt, GREEDY)
        assert events[0] == Prefilled(reused=0)
        assert ids_of(events) == by_generate(model, prompt, do_sample=False)
