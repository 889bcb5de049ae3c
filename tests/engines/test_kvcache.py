"""KV caches between turns: no turn is read twice, no reply changes by it, and memory is bounded."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig

from chatapp.engines.direct.kvcache import CHUNK
from chatapp.models.loading import Loaded
from chatapp.turn import Prefilled
from tests.directs import GREEDY, LONG, Watched, by_generate, drawn, endless, ids_of, run
from tests.tiny import make_tiny


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> Loaded:
    return endless(tiny_llama)


@pytest.fixture
def watched(llama: Loaded) -> Watched:
    return Watched(llama.model)


async def test_a_second_turn_reads_only_what_is_new(make_direct, llama: Loaded, watched: Watched) -> None:
    engine = make_direct(replace(llama, model=watched))
    prompt = LONG[: 2 * CHUNK + 50]
    first = await drawn(engine, prompt, GREEDY)
    watched.lengths.clear()
    events = await run(engine, [*prompt, *first, 40, 41, 42], GREEDY)
    assert events[0] == Prefilled(reused=2 * CHUNK)
    assert watched.lengths[0] == 50 + 24 + 3
    third = await run(engine, [*prompt, *first, *range(40, 130)], GREEDY)
    assert third[0] == Prefilled(reused=2 * CHUNK)
    fourth = await run(engine, [*prompt, *first, *range(40, 130), 9], GREEDY)
    assert fourth[0] == Prefilled(reused=3 * CHUNK)  # the first reply is now reused too


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_reuse_changes_no_bit_of_a_reply(make_direct, tiny_llama: Path, dtype: str) -> None:
    """Every logprob is equal: what a model writes does not depend on who wrote before."""
    loaded = endless(tiny_llama, dtype)
    engine, fresh = make_direct(loaded), make_direct(loaded, kv_caches=0)
    first = ids_of(await run(engine, LONG, GREEDY))
    prompts = [LONG, LONG + first[:5] + [77], [*LONG, *first, *range(40, 240)], LONG[:300] + [9] * 30, LONG, LONG[:CHUNK]]
    reused = []
    for prompt in prompts:
        events = await run(engine, prompt, GREEDY)
        reused.append(events[0].reused)
        assert events[1:] == (await run(fresh, prompt, GREEDY))[1:]
    assert reused == [n * CHUNK for n in (6, 6, 6, 2, 6, 0)]


async def test_kept_caches_are_bounded_in_number_and_bytes(make_direct, llama: Loaded) -> None:
    prompts = [[10 + n, *LONG[:CHUNK]] for n in range(4)]
    engine = make_direct(llama, kv_caches=2)
    for prompt in prompts:
        await run(engine, prompt, GREEDY)
    assert [k.ids for k in engine._caches.kept] == [tuple(p[:CHUNK]) for p in prompts[2:]]
    await run(engine, prompts[2], GREEDY)
    await run(engine, prompts[0], GREEDY)
    assert [k.ids[0] for k in engine._caches.kept] == [12, 10]  # the least recently used one went
    one = engine._caches.kept[0].nbytes
    assert one == 2 * 2 * 2 * 16 * 4 * 256  # layers x (keys, values) x heads x head size x float32 x one block
    small = make_direct(llama, kv_bytes=one * 2 + 1)
    for prompt in prompts:
        await run(small, prompt, GREEDY)
    assert [k.ids[0] for k in small._caches.kept] == [12, 13]
    tiny = make_direct(llama, kv_bytes=one - 1)
    await run(tiny, prompts[0], GREEDY)
    assert tiny._caches.kept == []


async def test_a_conversation_that_grows_keeps_one_cache(make_direct, llama: Loaded) -> None:
    engine = make_direct(llama)
    for length in (150, 300, 500, 778):
        await run(engine, LONG[:length], GREEDY)
    assert [len(k.ids) for k in engine._caches.kept] == [6 * CHUNK]


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


@pytest.mark.parametrize(("kind", "reuses"), [("qwen3", True), ("olmo2", True), ("gemma2", False)])
async def test_every_kind_of_layer_gives_the_ids_of_generate_in_both_turns(make_direct, tmp_path: Path, kind: str, reuses: bool) -> None:
    loaded = endless(make_tiny(kind, tmp_path, chat_template=None))
    engine = make_direct(loaded)
    assert engine.capabilities.has("prefix_reuse") is reuses
    first = await drawn(engine, LONG[:300], GREEDY)
    second = [*LONG[:300], *first, 8, 9]
    events = await run(engine, second, GREEDY)
    assert events[0] == Prefilled(reused=2 * CHUNK if reuses else 0)
    assert first == by_generate(loaded.model, LONG[:300], do_sample=False)
    assert ids_of(events) == by_generate(loaded.model, second, do_sample=False)
