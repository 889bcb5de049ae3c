"""The direct engine: the same ids as model.generate, repeatable, and whole characters."""

import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from transformers import LogitsProcessorList

from chatapp.engines.direct.engine import DirectEngine
from chatapp.errors import ChatError
from chatapp.models.loading import Loaded
from chatapp.sampling import Sampling
from chatapp.turn import Finish, Prefilled, Token
from tests.directs import GREEDY, LONG, SHORT, by_generate, drawn, endless, ids_of, load, run
from tests.tiny import make_tiny


@pytest.fixture(scope="module")
def llama(tiny_llama: Path) -> Loaded:
    return endless(tiny_llama)


@pytest.fixture
def engine(make_direct, llama: Loaded) -> DirectEngine:
    return make_direct(llama)


@pytest.mark.parametrize("ids", [SHORT, LONG], ids=["short", "four chunks"])
@pytest.mark.parametrize("kind", ["tiny_llama", "tiny_gpt2"])
async def test_greedy_ids_are_those_of_generate(request, make_direct, kind: str, ids: list[int]) -> None:
    loaded = endless(request.getfixturevalue(kind))
    assert await drawn(make_direct(loaded), ids, GREEDY) == by_generate(loaded.model, ids, do_sample=False)


@pytest.mark.parametrize("kind", ["mamba", "qwen3", "mistral", "gemma3_text"])
async def test_whatever_keeps_a_cache_is_served(make_direct, tmp_path: Path, kind: str) -> None:
    """Keys and values, sliding windows, or the states of recurrent layers: what counts is that one token leaves something behind."""
    loaded = endless(make_tiny(kind, tmp_path, chat_template=None))
    assert await drawn(make_direct(loaded), SHORT, GREEDY) == by_generate(loaded.model, SHORT, do_sample=False)


def test_a_model_that_keeps_no_cache_is_refused(make_direct, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="type openai-gpt keep no key-value cache"):
        make_direct(load(make_tiny("openai-gpt", tmp_path, chat_template=None)))


@pytest.mark.parametrize(
    "values",
    [
        dict(temperature=0.8),
        dict(temperature=0.7, top_k=40),
        dict(temperature=1.3, top_k=50, min_p=0.05, repetition_penalty=1.2),
        dict(temperature=1.3, min_p=0.01, typical_p=0.5),
    ],
    ids=str,
)
async def test_sampled_ids_are_those_of_generate_with_the_same_seed(make_direct, llama: Loaded, values: dict) -> None:
    torch.manual_seed(5)
    expected = by_generate(llama.model, SHORT, do_sample=True, **values)
    assert await drawn(make_direct(llama), SHORT, Sampling(**{"top_k": 0, **values}, top_p=1.0, seed=5, max_tokens=24)) == expected


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


async def test_the_end_token_is_recorded_but_not_shown(make_direct, llama: Loaded) -> None:
    engine = make_direct(llama)
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


async def test_a_reply_that_goes_on_inside_a_character_finishes_it(make_direct, llama: Loaded) -> None:
    smile = llama.tokenizer("😀", add_special_tokens=False).input_ids
    begun = next(n for n in range(1, len(smile)) if not llama.tokenizer.decode(smile[:n]).strip("\ufffd"))
    engine = make_direct(llama)
    rest = iter(smile[begun:])
    engine._sample = lambda *_: (next(rest), -1.0)  # the model writes just the missing bytes
    events = await run(engine, llama.tokenizer("Hi ").input_ids + smile[:begun], Sampling(max_tokens=len(smile) - begun))
    assert "".join(e.text for e in events[1:]) == "😀"


@pytest.mark.parametrize("ids", [[], [5] * 2048])
async def test_impossible_prompts_are_refused_with_the_numbers(engine, ids: list[int]) -> None:
    with pytest.raises(ChatError, match=f"The prompt has {len(ids)} tokens; this model takes 1 to 2047"):
        await run(engine, ids, GREEDY)


async def test_on_zerogpu_the_run_is_handed_to_the_gpu_process(make_direct, llama: Loaded, monkeypatch) -> None:
    spaces = ModuleType("spaces")
    handed = []
    spaces.GPU = lambda steps: lambda *values: (handed.append(pickle.loads(pickle.dumps(values))), steps(*values))[1]
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert len(await drawn(make_direct(llama), SHORT, GREEDY)) == 24
    assert handed == [(tuple(SHORT), GREEDY)]


async def test_the_context_is_what_model_setting_and_memory_allow(make_direct, llama: Loaded, monkeypatch) -> None:
    assert make_direct(llama).capabilities.context == 2048
    assert make_direct(llama, context=512).info.context == 512
    assert make_direct(llama, context=9999).info.context == 2048
    per_token = 2 * 2 * 2 * 16 * 4  # layers x (keys, values) x heads x head size x float32
    monkeypatch.setattr("chatapp.engines.direct.engine.free_bytes", lambda device: 2 * 1000 * per_token)
    assert make_direct(llama).info.context == 1000
    monkeypatch.setattr("chatapp.engines.direct.engine.free_bytes", lambda device: 2 * 100 * per_token)
    with pytest.raises(
        ChatError, match=r"Memory for 256 tokens is missing: each takes 512 bytes, so the KV cache of concurrency=1 needs 0\.1 MB"
    ):
        make_direct(llama)


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


async def test_the_embedded_models_greedy_reply_is_that_of_generate(make_direct, smol: Path) -> None:
    loaded = load(smol)
    words = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    ids = loaded.tokenizer(words).input_ids
    engine = make_direct(loaded, threads=2)
    events = await run(engine, ids, GREEDY)
    expected = by_generate(loaded.model, ids, do_sample=False, eos_token_id=-1)
    assert ids_of(events) == expected
    assert "Paris" in "".join(e.text for e in events[1:])


@pytest.mark.parametrize("foreign", [-1, 600, 10**8])
async def test_ids_that_the_model_has_no_embedding_for_are_refused_and_the_engine_goes_on(make_direct, llama: Loaded, foreign: int) -> None:
    engine = make_direct(llama)
    assert engine.info.vocabulary == llama.model.get_input_embeddings().num_embeddings
    with pytest.raises(ChatError, match=rf"token id {foreign}, outside the vocabulary of \d+ of {engine.info.model}"):
        await run(engine, [*SHORT, foreign], GREEDY)
    assert await drawn(engine, SHORT, GREEDY)


def test_an_engine_says_itself_which_packages_make_the_reply(make_direct, llama: Loaded) -> None:
    assert list(make_direct(llama).info.versions) == ["torch", "transformers", "tokenizers"]
