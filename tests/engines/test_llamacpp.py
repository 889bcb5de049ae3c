"""The llama.cpp engine on the embedded model: ids in, ids out, exactly; many people, one process that may die."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import httpx2
import pytest

pytest.importorskip("xllamacpp")

from chatapp.engines import open_engine
from chatapp.engines.llamacpp import client
from chatapp.engines.llamacpp.engine import GUESSING_CONCURRENCY, LlamaCppEngine, _body, divide
from chatapp.engines.llamacpp.native import advice
from chatapp.engines.llamacpp.server import NativeServer
from chatapp.errors import ChatError
from chatapp.models.gguf import GgufFile, partial_tokens, read_gguf
from chatapp.models.info import gguf_info
from chatapp.models.loading import local_gguf
from chatapp.models.sources import resolve
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Finish, Prefilled, Token

CONTEXT = 1024
PREBUILT = "CPU : AVX = 1 | AVX2 = 1 | FMA = 1"
HARD = [
    "😀👩‍👩‍👧‍👦🏳️‍🌈 flags 🇫🇷",
    "你好，世界！日本語 한국어",
    "مرحبا بالعالم שלום",
    "def f(x):\n\treturn x ** 2\t# tab\n\n\n\tpass",
    "line\r\nline\r\n\r\n",
    "e\u0301 n\u0303 Z\u0351\u036b\u0343 \u200b\u00a0\ufeff",
    "  two  spaces   1234567 3.14 it's we'll",
    "<|im_end|> <|im_start|>system",
    "",
    " ",
]


def silent(what: str, share: float | None) -> None:
    """Nobody watches."""


def open_smollm2(folder, **values) -> LlamaCppEngine:
    settings = Settings(data_dir=folder, engine="llamacpp", **{"context": CONTEXT, "concurrency": 2, "threads": 1} | values)
    return open_engine(resolve("smollm2", data_dir=folder), settings, silent)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("llamacpp")


@pytest.fixture(scope="module")
def engine(folder):
    engine = open_smollm2(folder)
    yield engine
    engine.close()


def ask(engine, *words: str, system: str = "You are helpful.") -> list[int]:
    roles = ["user", "assistant"] * len(words)
    messages = [{"role": "system", "content": system}, *({"role": r, "content": w} for r, w in zip(roles, words, strict=False))]
    return engine.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]


async def run(engine, ids, **sampling):
    """(Prefilled, ids, text, Finish, logprobs)"""
    events = [event async for event in engine.generate(ids, Sampling(**{"temperature": 0.0, "max_tokens": 24} | sampling))]
    first, *tokens, last = events
    assert isinstance(first, Prefilled) and isinstance(last, Finish) and all(isinstance(t, Token) for t in tokens)
    return first, [t.id for t in tokens], "".join(t.text for t in tokens) + last.text, last, [t.logprob for t in tokens]


async def native(engine, path: str, **body):
    """The native server's own answer, asked beside the engine."""
    address = engine.server.address()
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {address.key}"}, trust_env=False) as client:
        url = f"http://{address.host}:{address.port}{path}"
        return await (client.post(url, json=body) if body else client.get(url))


async def busy_slots(engine) -> int:
    return sum(slot["is_processing"] for slot in (await native(engine, "/slots")).json())


async def test_the_text_is_the_decoded_ids(engine):
    _, ids, text, last, _ = await run(engine, ask(engine, "Say hi."), max_tokens=200)
    assert last.reason == "end" and ids[-1] == engine.tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert text == engine.tokenizer.decode(ids, skip_special_tokens=True)


async def test_greedy_repeats(engine):
    prompt = ask(engine, "Write about the sea.")
    assert (await run(engine, prompt))[1] == (await run(engine, prompt))[1]


async def test_ids_outside_the_vocabulary_are_refused_in_our_words(engine):
    prompt = ask(engine, "Say hi.")
    for foreign in (-5, 49152, 10**8):
        with pytest.raises(ChatError, match=rf"token id {foreign}, outside the vocabulary of 49152 of HuggingFaceTB/SmolLM2"):
            await run(engine, [*prompt, foreign])
    assert (await run(engine, prompt))[1]


def test_the_versions_name_llama_cpp_and_the_tokenizers_library(engine):
    assert engine.info.versions["xllamacpp"].split()[0] == metadata.version("xllamacpp")
    assert {"tokenizers", "transformers"} <= engine.info.versions.keys() and "torch" not in engine.info.versions


def test_whoever_has_matrix_units_is_told_how_to_use_them(engine):
    assert "AVX2 = 1" in engine.server.units
    assert "make native" in advice(PREBUILT, {"avx2", "amx_int8"})
    assert advice(f"{PREBUILT} | AMX_INT8 = 1", {"avx2", "amx_int8"}) == advice(PREBUILT, {"avx2"}) == ""
    assert "gains a little here" in advice(PREBUILT, {"avx2", "avx512f"})
    assert advice(f"{PREBUILT} | AVX512 = 1", {"avx2", "avx512f"}) == ""


async def test_probabilities_are_declared_off(engine):
    _, _, _, _, logprobs = await run(engine, ask(engine, "Say hi."))
    assert set(logprobs) == {None} and not engine.capabilities.has("logprobs")


async def test_guessing_ahead_gives_the_same_ids_in_fewer_steps(engine, folder):
    """The shared engine of these tests guesses; the server counts the guesses it kept."""
    sentence = "The quick brown fox jumps over the lazy dog near the old stone bridge."
    prompt = ask(engine, f"Repeat: {sentence}", sentence, f"Repeat: {sentence}")
    plain = open_smollm2(folder, draft=0)
    try:
        assert (await run(plain, prompt))[1] == (await run(engine, prompt))[1]
        answer = (await native(engine, "/completion", prompt=list(prompt), n_predict=24, temperature=0)).json()
        assert answer["timings"]["draft_n_accepted"] > 0
    finally:
        plain.close()


def test_an_engine_for_many_people_does_not_guess(folder):
    many = open_smollm2(folder, concurrency=GUESSING_CONCURRENCY + 1)
    assert many.server.options["draft"] == 0
    many.close()


async def test_a_seed_repeats_and_another_differs(engine):
    prompt = ask(engine, "Invent a name for a ship and explain it.")
    runs = [(await run(engine, prompt, temperature=1.5, seed=seed))[1] for seed in (7, 7, 8, 2**32 - 1)]
    assert runs[0] == runs[1] and runs[0] != runs[2]


async def test_without_a_seed_replies_differ(engine):
    prompt = ask(engine, "Invent a name for a ship and explain it.")
    assert (await run(engine, prompt, temperature=2.0))[1] != (await run(engine, prompt, temperature=2.0))[1]


async def test_every_id_of_a_character_of_many_ids_arrives(engine):
    """llama.cpp's server drops the ids that end inside a character; the marked copy of the file cures it."""
    emoji = engine.tokenizer.encode("🦜", add_special_tokens=False)
    assert len(emoji) > 2
    sentence = "Repeat exactly: " + "🦜" * 8
    prompt = ask(engine, sentence, "🦜🦜🦜🦜🦜🦜🦜🦜", sentence)
    pieces = [event async for event in engine.generate(prompt, Sampling(temperature=0.0, max_tokens=len(emoji) * 3 + 1))]
    tokens = [event for event in pieces if isinstance(event, Token)]
    text = "".join(t.text for t in tokens)
    assert [t.id for t in tokens][: len(emoji) * 3] == emoji * 3
    assert text == "🦜🦜🦜" and all("\ufffd" not in t.text for t in tokens)


async def test_counts_ids_up_to_max_tokens_even_inside_a_character(engine):
    emoji = engine.tokenizer.encode("🦜", add_special_tokens=False)
    sentence = "Repeat exactly: " + "🦜" * 8
    prompt = ask(engine, sentence, "🦜🦜🦜🦜🦜🦜🦜🦜", sentence)
    _, ids, text, last, _ = await run(engine, prompt, max_tokens=len(emoji) - 1)
    assert ids == emoji[:-1] and text == "" and last.reason == "length"


async def test_a_stop_string_ends_the_reply_and_is_not_shown(engine):
    prompt = ask(engine, "Count from one to ten in words.")
    _, _, whole, _, _ = await run(engine, prompt, max_tokens=40)
    stop = whole[len(whole) // 2 :][:4]
    _, _, text, last, _ = await run(engine, prompt, max_tokens=40, stop=(stop,))
    assert last.reason == "stop" and text == whole[: whole.index(stop)]
    assert await settled(engine)


async def settled(engine, seconds: float = 5.0) -> bool:
    """Whether all slots are free within this time."""
    end = time.monotonic() + seconds
    while await busy_slots(engine):
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.02)
    return True


async def test_closing_frees_the_slot_at_once(engine):
    async with aclosing(engine.generate(ask(engine, "Write a very long story."), Sampling(max_tokens=800))) as events:
        async for event in events:
            if isinstance(event, Token):
                break
        assert await busy_slots(engine) == 1
    assert await settled(engine)


async def test_cancelling_while_the_prompt_is_read_frees_the_slot(engine):
    prompt = ask(engine, "word " * 900)
    task = asyncio.create_task(run(engine, prompt[:1000], max_tokens=5))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await settled(engine, 60)


async def test_two_people_at_once_do_not_mix(engine):
    prompts = [ask(engine, "Name a fruit and describe it."), ask(engine, "Explain gravity to a child.")]
    alone = [(await run(engine, p, max_tokens=12))[1] for p in prompts]
    together = await asyncio.gather(*(run(engine, p, max_tokens=12) for p in prompts))
    assert [r[1][:6] for r in together] == [a[:6] for a in alone]


async def test_a_third_person_waits_for_a_slot(engine):
    replies = await asyncio.gather(*(run(engine, ask(engine, f"Say {n}."), max_tokens=6) for n in "abc"))
    assert len(replies) == 3 and all(reply[1] for reply in replies)


async def test_the_second_turn_reads_only_what_is_new(engine):
    first = ask(engine, "Hello there, who are you? Tell me at some length.")
    _, ids, _, _, _ = await run(engine, first, max_tokens=16)
    second = [*first, *ids, *engine.tokenizer.encode("<|im_end|>\n<|im_start|>user\nAnd I?<|im_end|>\n<|im_start|>assistant\n")]
    reused = (await run(engine, second))[0].reused
    assert len(first) + len(ids) - 2 <= reused < len(second)


async def test_more_conversations_than_slots_share_a_system_prompt_and_keep_their_own(engine):
    # The server puts a conversation aside only where the next one shares less than half of it: so its own words are the longer part.
    system = "You answer briefly. " + "Rule: be kind and exact. " * 10
    shared = len(engine.tokenizer.encode(system))
    told = {}
    for topic in ("dragon", "ship", "tree"):
        prompt = ask(engine, f"Write about a {topic}. " + f"{topic} " * 120, system=system)
        prefilled, ids, *_ = await run(engine, prompt, max_tokens=4)
        assert not told or prefilled.reused >= shared
        told[topic] = [*prompt, *ids]
    for topic, ids in told.items():
        more = engine.tokenizer.encode(f"<|im_end|>\n<|im_start|>user\nMore {topic}.<|im_end|>\n<|im_start|>assistant\n")
        assert (await run(engine, [*ids, *more], max_tokens=4))[0].reused >= len(ids) - 2


async def test_the_whole_context_can_be_used(engine):
    room = engine.capabilities.context
    prompt = (ask(engine, "word " * 2 * room))[: room - 5]
    _, ids, _, last, _ = await run(engine, prompt, max_tokens=5, temperature=0.0)
    assert len(ids) == 5 or last.reason == "end"


async def test_a_prompt_that_does_not_fit_is_refused_with_numbers(engine):
    with pytest.raises(ChatError, match=f"2000 tokens.* 1 to {engine.info.context - 1}"):
        await run(engine, [5] * 2000)


async def test_a_refusal_of_the_server_is_a_sentence(engine):
    with pytest.raises(ChatError, match="refused"):  # past the engine's own check, which comes first
        [answer async for answer in engine._answers(_body([10**6], Sampling(), CONTEXT))]


async def test_samplers_act_and_stand_in_the_order_of_transformers(engine):
    prompt = ask(engine, "Say the word yes ten times.")
    greedy = (await run(engine, prompt))[1]
    assert (await run(engine, prompt, temperature=2.0, top_k=1, seed=1))[1] == greedy
    assert (await run(engine, prompt, temperature=2.0, min_p=1.0, top_k=0, seed=1))[1] == greedy
    assert (await run(engine, prompt, temperature=2.0, top_p=0.0, top_k=0, seed=1))[1] == greedy
    assert (await run(engine, prompt, repetition_penalty=2.0))[1] != greedy
    typical = [(await run(engine, prompt, temperature=2.0, typical_p=0.01, top_k=20, top_p=1.0, seed=seed))[1] for seed in (1, 2)]
    assert typical[0] == typical[1] != greedy
    await run(engine, prompt, temperature=2.0, top_k=0, top_p=1.0, max_tokens=3)


@pytest.mark.parametrize("text", HARD)
async def test_both_tokenizers_agree(engine, text):
    theirs = (await native(engine, "/tokenize", content=text, add_special=False, parse_special=False)).json()["tokens"]
    if "<|" in text:  # transformers reads special tokens in any text; the ids of the pieces around them must agree all the same
        theirs = (await native(engine, "/tokenize", content=text, add_special=False, parse_special=True)).json()["tokens"]
    assert engine.tokenizer.encode(text, add_special_tokens=False) == theirs


async def test_the_server_asks_for_its_key_and_lets_no_page_in(engine):
    address = engine.server.address()
    assert address.key not in command_line(engine.server.pid) and address.host == "127.0.0.1"
    url = f"http://{address.host}:{address.port}"
    async with httpx2.AsyncClient(headers={"Origin": "http://evil.example"}, trust_env=False) as client:
        for path in ("/completion", "/tokenize", "/slots"):
            answer = await (client.get(url + path) if path == "/slots" else client.post(url + path, json={"prompt": [1], "content": "a"}))
            assert answer.status_code == 401
            assert not answer.headers.get("access-control-allow-origin")
        assert (await client.get(url + "/")).status_code == 404


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_killed_process_ends_the_reply_with_words_and_the_next_one_works(engine):
    prompt = ask(engine, "Write a very long story.")
    with pytest.raises(ChatError, match="starts again"):
        async with aclosing(engine.generate(prompt, Sampling(max_tokens=800))) as events:
            async for event in events:
                if isinstance(event, Token):
                    os.kill(engine.server.pid, signal.SIGKILL)
    assert (await run(engine, prompt, max_tokens=4))[1]


async def test_a_process_killed_between_replies_is_not_noticed(engine):
    os.kill(engine.server.pid, signal.SIGKILL)
    assert (await run(engine, ask(engine, "Hi."), max_tokens=4))[1]


async def test_a_silent_process_is_given_up(engine, monkeypatch):
    monkeypatch.setattr(client, "SILENCE", 0.5)
    stuck = engine.server.pid
    with pytest.raises(ChatError, match="starts again"):
        async with aclosing(engine.generate(ask(engine, "Write a very long story."), Sampling(max_tokens=800))) as events:
            async for event in events:
                if isinstance(event, Token) and stuck == engine.server.pid:
                    os.kill(stuck, signal.SIGSTOP)
    monkeypatch.undo()
    assert (await run(engine, ask(engine, "Hi."), max_tokens=4))[1]


async def test_closing_ends_running_replies(folder):
    other = open_smollm2(folder, concurrency=1)
    with pytest.raises(ChatError, match=r"unloaded|stopped"):
        async with aclosing(other.generate(ask(other, "Write a very long story."), Sampling(max_tokens=800))) as events:
            async for event in events:
                if isinstance(event, Token):
                    other.close()
    with pytest.raises(ChatError, match="unloaded"):
        await run(other, ask(other, "Hi."))


PARENT = """
import sys, time
from dataclasses import replace
from pathlib import Path
from tests.engines.test_llamacpp import open_smollm2
engine = open_smollm2(Path(sys.argv[1]), concurrency=1)
print(engine.server.pid, flush=True)
time.sleep(60)
"""


def test_the_child_dies_with_a_parent_that_was_killed(folder):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 5
    while alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(child)


def alive(pid: int) -> bool:
    """A zombie that nobody collects counts as dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_damaged_file_is_said_in_words(folder, engine):
    cut, strange = folder / "cut.gguf", folder / "strange.gguf"
    whole = local_gguf(resolve("smollm2", data_dir=folder))[0]
    cut.write_bytes(whole.read_bytes()[:3_000_000])
    strange.write_bytes(whole.read_bytes().replace(b"llama", b"lxama"))
    facts = gguf_info(whole, "smollm2", "")
    with pytest.raises(ChatError, match=r"cut\.gguf was cut short: it has 3,000,000 bytes of "):
        LlamaCppEngine(cut, lambda: engine.tokenizer, facts, Settings(data_dir=folder, context=512, concurrency=1), silent)
    with pytest.raises(ChatError, match=r"could not load strange\.gguf"):
        LlamaCppEngine(strange, lambda: engine.tokenizer, facts, Settings(data_dir=folder, context=512, concurrency=1), silent)


def test_a_tokenizer_that_cannot_be_read_ends_the_server_that_starts_beside_it(folder) -> None:
    started: list[NativeServer] = []

    def read():
        started.extend(kept for kept in gc.get_objects() if type(kept) is NativeServer and kept.name == "beside.gguf")
        raise ChatError("There is no tokenizer.")

    whole = local_gguf(resolve("smollm2", data_dir=folder))[0]
    beside = folder / "beside.gguf"
    beside.symlink_to(whole)
    with pytest.raises(ChatError, match=r"There is no tokenizer\."):
        LlamaCppEngine(beside, read, gguf_info(whole, "x", ""), Settings(data_dir=folder, context=512, concurrency=1), silent)
    assert isinstance(started[0].begun.exception(60), ChatError) and started[0].pid is None


def test_a_foreign_tokenizer_is_refused(folder, tiny_llama):
    from transformers import AutoTokenizer

    gguf = local_gguf(resolve("smollm2", data_dir=folder))[0]
    with pytest.raises(ChatError, match="does not belong"):
        LlamaCppEngine(gguf, lambda: AutoTokenizer.from_pretrained(tiny_llama), gguf_info(gguf, "x", ""), Settings(data_dir=folder), silent)


def test_memory_bounds_the_context(folder):
    file = read_gguf(local_gguf(resolve("smollm2", data_dir=folder))[0])
    size = file.path.stat().st_size
    assert file.kv_bytes_per_token == 2 * 30 * 3 * 2 * 64  # two bytes, 30 layers, 3 heads, keys and values of 64
    assert divide(file, 1, 0, size + 10**10).context == file.context - 2
    tight = divide(file, 4, 0, size + 2 * 4 * 1000 * file.kv_bytes_per_token).context
    assert 990 <= tight < 1000
    with pytest.raises(ChatError, match="smaller --context"):
        divide(file, 64, 4096, size + 10**8)


def test_marks_only_tokens_that_are_not_whole_characters(engine, folder):
    file = read_gguf(local_gguf(resolve("smollm2", data_dir=folder))[0])
    found = set(partial_tokens(file))
    texts = {n: engine.tokenizer.decode([n]) for n in range(len(file.tokens)) if n not in engine.tokenizer.all_special_ids}
    broken = {n for n, text in texts.items() if "\ufffd" in text and "ï¿½" not in file.tokens[n].decode()}  # a token may be U+FFFD itself
    assert found == broken and len(found) > 200


def test_marks_the_byte_tokens_of_a_sentencepiece_vocabulary():
    file = GgufFile(None, {"tokenizer.ggml.model": "llama"}, [b"<unk>", b"<0x0A>", b"<0xE4>", b"hello", b"<0xFF>"], [2, 6, 6, 1, 6])
    assert partial_tokens(file) == [2, 4]
    with pytest.raises(ChatError, match="has 5 tokens and the types of 4"):
        partial_tokens(replace(file, path=Path("x.gguf"), types=file.types[:4]))


@pytest.mark.slow
async def test_xray_computes_nearly_the_probabilities_that_the_reply_was_drawn_from(engine, folder):
    import torch

    from chatapp.models.loading import load

    loaded = load(resolve("smollm2", data_dir=folder), Settings(data_dir=folder, dtype="float32"))
    prompt = ask(engine, "What is 2+2?")
    answer = (await native(engine, "/completion", prompt=list(prompt), n_predict=8, temperature=0, n_probs=1, return_tokens=True)).json()
    ids, ours = answer["tokens"], [p["logprob"] for p in answer["completion_probabilities"]]
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([prompt + ids[:-1]])).logits[0, len(prompt) - 1 :]
    theirs = torch.log_softmax(logits, -1)[range(len(ids)), ids].tolist()
    # llama.cpp rounds activations to 8 bits before it multiplies: 0.1 apart was seen.
    assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) < 0.4
