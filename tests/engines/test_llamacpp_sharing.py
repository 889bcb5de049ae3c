"""A prompt that several replies begin with is read once by llama.cpp, whichever slots they are written in, and says the same."""

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import aclosing, nullcontext
from pathlib import Path

import pytest

pytest.importorskip("xllamacpp")
if not hasattr(os, "memfd_create"):
    pytest.skip("there are no memory files here: each slot reads for itself", allow_module_level=True)

from chatapp.engines import open_engine
from chatapp.engines.llamacpp.engine import LlamaCppEngine
from chatapp.lab.metrics import tokens_read
from chatapp.models.sources import resolve
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Prefilled, Token
from tests.lab.runs import comparison, repeatable, rows_of

SLOTS = 3
WORDS = "rain stone river light wind leaf door winter harbour road " * 12


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("sharing")
    settings = Settings(data_dir=folder, engine="llamacpp", context=1024, concurrency=SLOTS, threads=1)
    made = open_engine(resolve("smollm2", data_dir=folder), settings, lambda what, share: None)
    yield made
    made.close()


def prompt(engine: LlamaCppEngine, salt: str) -> list[int]:
    """One that no other begins with, of more than a hundred tokens."""
    return engine.tokenizer(f"{salt} {WORDS}", add_special_tokens=False)["input_ids"]


async def reply(engine: LlamaCppEngine, ids: Sequence[int], seed: int, tokens: int = 6) -> tuple[int, list[int]]:
    """(tokens of the prompt that were there already, the reply's)"""
    sampling = Sampling(temperature=0.8, seed=seed, max_tokens=tokens)
    events = [event async for event in engine.generate(ids, sampling)]
    [begun] = [event for event in events if isinstance(event, Prefilled)]
    return begun.reused, [event.id for event in events if isinstance(event, Token)]


def kept(engine: LlamaCppEngine) -> int:
    """Bytes of all copies."""
    return sum(os.fstat(file).st_size for file in engine._sharing.files)


async def test_all_slots_share_one_reading_and_say_the_same(engine: LlamaCppEngine) -> None:
    ids = prompt(engine, "All")
    with engine.sharing(ids):
        at_once = await asyncio.gather(*(reply(engine, ids, seed) for seed in range(SLOTS)))
        again = await reply(engine, ids, 3)
        assert kept(engine) > 100 * 20_000, "what a token takes in a KV cache"
    first, *others = sorted(reused for reused, _ in at_once)
    assert first < 10 and others == [len(ids) - 1] * (SLOTS - 1) and again[0] == len(ids) - 1
    assert kept(engine) == 0, "the memory is given back"
    alone = [await reply(engine, ids, seed) for seed in range(4)]
    assert [found for _, found in [*at_once, again]] == [found for _, found in alone]


async def test_two_prompts_at_once_and_one_that_is_too_short(engine: LlamaCppEngine) -> None:
    one, two, short = prompt(engine, "One"), prompt(engine, "Two"), prompt(engine, "Short")[:40]
    with engine.sharing(one), engine.sharing(two), engine.sharing(short), engine.sharing(one):
        first = await asyncio.gather(*(reply(engine, ids, 1) for ids in (one, two, short)))
        then = await asyncio.gather(*(reply(engine, ids, 1) for ids in (two, one)))
        assert [reused for reused, _ in then] == [len(two) - 1, len(one) - 1]
        assert [found for _, found in then] == [first[1][1], first[0][1]]
    assert kept(engine) == 0


async def test_a_slot_that_somebody_else_has_is_left_alone(engine: LlamaCppEngine) -> None:
    ids = prompt(engine, "Left")
    async with aclosing(engine.generate(prompt(engine, "Chat"), Sampling(temperature=0.0, max_tokens=200))) as chat:
        said = [await anext(chat), await anext(chat)]
        with engine.sharing(ids):
            found = await asyncio.gather(*(reply(engine, ids, seed) for seed in range(4)))
        assert sorted(reused for reused, _ in found)[1:] == [len(ids) - 1] * 3
        said.append(await anext(chat))
    assert isinstance(said[-1], Token)


async def test_a_reading_that_is_cut_is_made_by_the_next(engine: LlamaCppEngine) -> None:
    ids = prompt(engine, "Cut")
    with engine.sharing(ids):
        first = asyncio.create_task(reply(engine, ids, 0))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.wait({first})
        assert len((await reply(engine, ids, 1))[1]) == 6
        assert (await reply(engine, ids, 2))[0] == len(ids) - 1


async def test_a_process_that_dies_takes_the_copy_with_it(engine: LlamaCppEngine) -> None:
    ids = prompt(engine, "Died")
    with engine.sharing(ids):
        before = await reply(engine, ids, 7)
        os.kill(engine.server.pid, signal.SIGKILL)
        await asyncio.to_thread(engine.server.await_exit)
        after = await asyncio.gather(*(reply(engine, ids, 7) for _ in range(2)))
    assert [found for _, found in after] == [before[1]] * 2 and sorted(reused for reused, _ in after) == [0, len(ids) - 1]


@pytest.mark.parametrize("shared", [True, False])
async def test_a_comparison_reads_its_prompt_once(
    engine: LlamaCppEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    text = f"{{prompts: [Grid {WORDS}], columns: [{{name: a, max_tokens: 4}}, {{name: b, temperature: 1.5, max_tokens: 4}}], replicas: 3}}"
    if not shared:
        monkeypatch.setattr(LlamaCppEngine, "sharing", lambda self, ids: nullcontext())
    await asyncio.gather(*(reply(engine, prompt(engine, f"Before {n}"), 0, 1) for n in range(SLOTS)))
    rows = await rows_of(comparison(text.replace("Grid", f"Grid {shared}"), tmp_path / "out.jsonl", ModelManager.of(engine)))
    read, given = tokens_read(rows)
    longest = rows[0]["prompt_tokens"]
    assert given == 6 * longest and (read < longest + 6) is shared, "a token for each reply is run again"
    again = await rows_of(comparison(text.replace("Grid", f"Grid {shared}"), tmp_path / "again.jsonl", ModelManager.of(engine)))
    if not shared:  # what was read where decides near ties
        return
    key = lambda row: (row["column"], row["replica"])  # noqa: E731
    assert list(map(repeatable, sorted(again, key=key))) == list(map(repeatable, sorted(rows, key=key)))
