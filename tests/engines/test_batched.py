"""The batched engine with real models: everybody gets their own reply, exactly, and no turn is read twice."""

import asyncio
from pathlib import Path

import pytest
import torch

from chatapp.engines.batched.engine import BatchedEngine
from chatapp.engines.batched.paged import CPU_PAGE
from chatapp.engines.sampling import processors as plain_processors
from chatapp.errors import ChatError
from chatapp.models.forecast import Sizes, forecast
from chatapp.sampling import Sampling
from chatapp.turn import Finish, Prefilled, Token
from tests.batches import GREEDY, HOT, TEXT, MakeBatched, counted, expected, ids, prompt_of, reply, settled, steered, text


@pytest.fixture
def engine(make_batched: MakeBatched) -> BatchedEngine:
    return make_batched()


@pytest.mark.parametrize("folder", ["tiny_llama", "tiny_gpt2"])
async def test_greedy_ids_equal_generate(folder: str, make_batched: MakeBatched, request: pytest.FixtureRequest) -> None:
    engine = make_batched(request.getfixturevalue(folder))
    for length in (1, CPU_PAGE, 300):
        prompt = prompt_of(engine, length=length)
        assert ids(await reply(engine, prompt, GREEDY)) == expected(engine, prompt)


async def test_the_embedded_models_greedy_replies_in_a_batch_are_those_of_generate(make_batched: MakeBatched, smol: Path) -> None:
    engine = make_batched(smol, concurrency=3, context=512, ends=True)
    questions = ("Why is the sky blue?", "Count to five.", "Name a fruit.")
    prompts = [engine.tokenizer(f"<|im_start|>user\n{q}<|im_end|>\n<|im_start|>assistant\n")["input_ids"] for q in questions]
    replies = await asyncio.gather(*(reply(engine, p, GREEDY) for p in prompts))
    assert [ids(r) for r in replies] == [expected(engine, p) for p in prompts]


async def test_greedy_amid_hot_ones_stays_greedy_for_all_of_eight(engine: BatchedEngine) -> None:
    prompts = [prompt_of(engine, f"{n} {TEXT}", 20 + 40 * n) for n in range(8)]
    samplings = [GREEDY if n % 2 else HOT for n in range(8)]
    replies = await asyncio.gather(*(reply(engine, p, s) for p, s in zip(prompts, samplings, strict=True)))
    for n in (1, 3, 5, 7):
        assert ids(replies[n]) == expected(engine, prompts[n])
    assert len({tuple(ids(replies[n])) for n in (0, 2, 4, 6)}) == 4
    assert all(isinstance(r[0], Prefilled) and isinstance(r[-1], Finish) for r in replies)


async def test_everybody_in_a_batch_gets_their_own_filters(engine: BatchedEngine) -> None:
    torch.manual_seed(0)
    prompt = prompt_of(engine)
    wanted = {
        "top_k 1": Sampling(temperature=2.0, top_k=1, top_p=1.0, max_tokens=60),
        "top_k 3": Sampling(temperature=2.0, top_k=3, top_p=1.0, max_tokens=60),
        "top_p": Sampling(temperature=1.0, top_k=0, top_p=0.5, max_tokens=60),
        "min_p": Sampling(temperature=1.0, top_k=0, top_p=1.0, min_p=0.5, max_tokens=60),
        "hot": Sampling(temperature=2.0, top_k=0, top_p=1.0, max_tokens=60),
    }
    replies = await asyncio.gather(*(reply(engine, prompt, s) for s in wanted.values()))
    ranks, kept = {}, {}
    for name, events in zip(wanted, replies, strict=True):
        drawn = ids(events)
        logits = engine.model(torch.tensor([prompt + drawn])).logits[0, len(prompt) - 1 : -1].float()
        ranks[name] = [int((row > row[token]).sum()) for row, token in zip(logits, drawn, strict=True)]
        allowed = plain_processors(wanted[name])(torch.tensor([prompt]), logits)
        kept[name] = [bool(row[token].isfinite()) for row, token in zip(allowed, drawn, strict=True)]
    assert all(all(k) for k in kept.values()), "a token was drawn that its owner's filters exclude"
    assert set(ranks["top_k 1"]) == {0}
    assert 0 < max(ranks["top_k 3"]) < 3
    assert max(ranks["hot"]) > 20


async def test_a_second_turn_reads_only_what_is_new(engine: BatchedEngine) -> None:
    first = prompt_of(engine, length=300)
    drawn = ids(await reply(engine, first, GREEDY))
    second = first + drawn + prompt_of(engine, "hello world ", 20)
    with counted(engine) as sizes:
        events = await reply(engine, second, Sampling(temperature=0, max_tokens=1))
    shared = len(first) + len(drawn)
    assert events[0].reused >= shared - CPU_PAGE
    assert sum(sizes) == len(second) - events[0].reused
    assert ids(events) == expected(engine, second, 1)


async def test_a_prompt_never_seen_reuses_nothing(engine: BatchedEngine) -> None:
    await reply(engine, prompt_of(engine, length=300), GREEDY)
    events = await reply(engine, prompt_of(engine, "print(f(3)) ", 300), GREEDY)
    assert events[0] == Prefilled(0)


async def test_everybody_can_use_their_whole_context_at_once(make_batched: MakeBatched) -> None:
    engine = make_batched(concurrency=4, context=512)
    prompts = [prompt_of(engine, f"{n} hello {TEXT}", 400) for n in range(4)]
    with counted(engine) as sizes:
        replies = await asyncio.gather(*(reply(engine, p, Sampling(temperature=0, max_tokens=112)) for p in prompts))
    for prompt, events in zip(prompts, replies, strict=True):
        assert ids(events) == expected(engine, prompt, 112)
    # Nobody was put aside and read again: that would show as more tokens than prompts and replies have.
    assert sum(sizes) <= sum(len(p) + len(ids(r)) - 1 for p, r in zip(prompts, replies, strict=True))


async def test_more_people_than_fit_are_all_served(make_batched: MakeBatched) -> None:
    engine = make_batched(concurrency=2, context=256)
    prompts = [prompt_of(engine, f"{n} {TEXT}", 200) for n in range(8)]
    replies = await asyncio.gather(*(reply(engine, p, GREEDY) for p in prompts))
    assert [ids(r) for r in replies] == [expected(engine, p) for p in prompts]


async def test_max_tokens_ends_a_reply(engine: BatchedEngine) -> None:
    prompt = prompt_of(engine)
    script = engine.tokenizer("hello world how are you today")["input_ids"]
    with steered(engine, len(prompt), script):
        events = await reply(engine, prompt, Sampling(temperature=0, max_tokens=3))
    assert ids(events) == script[:3]
    assert events[-1] == Finish("length")


async def test_the_end_token_is_given_without_text_and_ends_the_reply(make_batched: MakeBatched) -> None:
    engine = make_batched(ends=True)
    prompt, end = prompt_of(engine), engine.tokenizer.eos_token_id
    words = engine.tokenizer("hello")["input_ids"]
    with steered(engine, len(prompt), [*words, end]):
        events = await reply(engine, prompt, Sampling(temperature=0, max_tokens=50))
    assert ids(events) == [*words, end]
    assert events[-2:] == [Token(end, ""), Finish("end")]
    assert text(events) == "hello"


async def test_a_stop_string_ends_a_reply_unseen_and_frees_its_pages(engine: BatchedEngine) -> None:
    prompt = prompt_of(engine)
    script = engine.tokenizer("hello world how are you today? I am fine")["input_ids"]
    with steered(engine, len(prompt), script), counted(engine) as steps:
        events = await reply(engine, prompt, Sampling(temperature=0, max_tokens=300, stop=("re you",)))
        await settled(engine)
    assert len(steps) < 200, "it wrote on after the stop string"
    assert text(events) == "hello world how a"
    assert events[-1].reason == "stop"


async def test_text_breaks_at_characters_only(engine: BatchedEngine) -> None:
    prompt = prompt_of(engine)
    script = engine.tokenizer("a🦊é漢b")["input_ids"]
    assert len(script) > 8, "the fox must be several tokens for this test to mean anything"
    with steered(engine, len(prompt), script):
        whole = await reply(engine, prompt, Sampling(temperature=0, max_tokens=len(script)))
        cut = await reply(engine, prompt, Sampling(temperature=0, max_tokens=3))
    assert text(whole) == "a🦊é漢b"
    assert text(cut) == "a"
    assert not any("\ufffd" in e.text for e in [*whole, *cut] if isinstance(e, Token))
    assert ids(whole) == script


def test_capabilities_say_what_is_off_and_why(engine: BatchedEngine) -> None:
    assert set(engine.capabilities.off) == {"seed", "repetition_penalty", "typical_p", "logprobs"}
    assert (engine.capabilities.context, engine.capabilities.concurrency) == (1024, 8)
    assert engine.info.engine == "batched"
    cached = engine._batch.cache.num_blocks * CPU_PAGE
    said = forecast("batched", Sizes(0, 1, 0, 0, 0, 2048), 8, 1024, free=0).cache
    assert abs(said - cached) < 0.02 * cached, "a token takes a byte here"


async def test_ids_without_an_embedding_are_refused_before_a_batch_sees_them(engine: BatchedEngine) -> None:
    prompt, running = prompt_of(engine), asyncio.create_task(reply(engine, prompt_of(engine), HOT))
    for foreign in (-5, engine.info.vocabulary):
        with pytest.raises(ChatError, match=rf"token id {foreign}, outside the vocabulary of {engine.info.vocabulary} of tiny"):
            await reply(engine, [*prompt, foreign], GREEDY)
    assert len(ids(await running)) == HOT.max_tokens and {"torch", "transformers", "tokenizers"} <= engine.info.versions.keys()
