"""Two replies, each read by both columns: the numbers are those of the engine; models that are not there are offered."""

import asyncio
import math
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from chatapp.errors import ChatError
from chatapp.lab.across import said
from chatapp.lab.across.likelihood import Likelihood, distributions, likelihood
from chatapp.lab.across.look import Side, look, token_at
from chatapp.lab.rows import Row
from chatapp.resident.admission import handed_on
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray.inspector import Inspector
from chatapp.xray.sampling import Logits
from tests.lab.runs import ME, comparison, rows_of
from tests.xrays import assert_plain

GRID = """
prompts: [Where is Paris]
columns:
  - {name: cold, temperature: 0, max_tokens: 12}
  - {name: hot, temperature: 1.5, top_k: 3, max_tokens: 12, seed: 3}
  - {name: kind, temperature: 0, max_tokens: 12, system: Be kind.}
  - {name: base, model: BASE, temperature: 0, max_tokens: 12}
"""


@pytest.fixture(scope="module")
def run(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Row], Settings]]:
    """The replies of a grid by column, two of the same model, one of another with another tokenizer; and the settings of the run."""
    home = tmp_path_factory.mktemp("across")
    shutil.copytree(tiny_gpt2, home / "base")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(home / "base")
    tokenizer.add_tokens(["☃"])  # another vocabulary: the same ids mean something else
    tokenizer.save_pretrained(home / "base")
    settings = Settings(model=str(tiny_llama), engine="direct", data_dir=home, threads=1, device="cpu", dtype="float32")

    async def answer() -> list[Row]:
        models = ModelManager(settings)
        models.start()
        rows = await rows_of(comparison(GRID.replace("BASE", str(home / "base")), home / "out.jsonl", models, may_load=True))
        models.close()
        return rows

    rows = asyncio.run(answer())
    assert not [row["error"] for row in rows if row["error"]]
    yield {row["column"]: row for row in rows}, settings


@pytest.fixture
async def inspector(run: tuple[dict[str, Row], Settings]):
    models = ModelManager(run[1])
    models.start()
    await models.first.wait_ready()
    made = Inspector(models)
    yield made
    made.close()
    models.close()


async def seen(inspector: Inspector, first: Row, second: Row, *, load: bool = False) -> dict[str, Any]:
    items = [item async for item in look(inspector, first, second, ME, load=load)]
    data = [item for item in items if not isinstance(item, Step)]
    for one in data:
        assert_plain(one)
    return data[-1]


def by_model(side: dict[str, Any]) -> list[tuple[int, float]]:
    return sorted((one["id"], one["p"]) for one in side["candidates"])


def numbers_of(likely: dict[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    """(reply, reader) → the cells of that line by their heads."""
    heads = [head["label"] for head in likely["heads"]]
    return {(line[0], line[1]): dict(zip(heads, line, strict=True)) for line in likely["table"]}


async def test_both_distributions_at_the_place_where_two_replies_part(run, inspector: Inspector) -> None:
    cold, hot = (run[0][name] for name in ("cold", "hot"))
    at = next(n for n, (a, b) in enumerate(zip(cold["ids"], hot["ids"], strict=False)) if a != b)
    shown = await seen(inspector, cold, hot)
    parting = shown["parting"]
    left, right = parting["sides"]
    assert shown["same_ids"] and shown["notes"] == ["The numbers of both: the resident float32 weights."]
    assert (left["token"], right["token"]) == (cold["ids"][at], hot["ids"][at]) and left["place"] == right["place"] == at + 1
    assert by_model(left) == by_model(right) and len(left["candidates"]) == 10, "one model, one text so far"
    assert [one["rank"] for one in left["candidates"]] == list(range(1, 11)) and left["of"] > 10
    best = left["candidates"][0]
    assert left["kept"] == 1 and best["id"] == cold["ids"][at] and best["left"] == 1.0
    assert right["kept"] == 3 and [one["left"] > 0 for one in right["candidates"]] == [True] * 3 + [False] * 7
    assert right["token"] in [one["id"] for one in right["candidates"][:3]]
    assert math.isclose(math.log(best["p"]), cold["turn"]["logprobs"][at], abs_tol=1e-4)
    assert parting["words"][0].startswith("cold took “") and "as greedy decoding does" in parting["words"][0]
    assert "which had a chance of" in parting["words"][1]


async def test_how_likely_each_reply_is_to_the_other_column(run, inspector: Inspector) -> None:
    cold, kind = (run[0][name] for name in ("cold", "kind"))
    likely = (await seen(inspector, cold, kind))["likely"]
    numbers = numbers_of(likely)
    assert list(numbers) == [("cold", "cold"), ("cold", "kind"), ("kind", "cold"), ("kind", "kind")]
    own = numbers["cold", "cold"]
    assert math.isclose(float(own["Perplexity"]), math.exp(-cold["logprob"]), abs_tol=0.006)
    assert math.isclose(float(own["Log-probability"].replace("−", "-")), cold["logprob"], abs_tol=0.002)
    assert own["Tokens cut"] == "0" and own["With settings"] == "0.000" and float(numbers["cold", "kind"]["Perplexity"]) > 1
    assert "perplexity" in likely["words"][0] and "with kind’s settings" in likely["words"][0]


async def test_another_tokenizer_is_compared_by_bytes_and_another_model_offered_first(run, inspector: Inspector) -> None:
    cold, base = (run[0][name] for name in ("cold", "base"))
    with pytest.raises(ChatError, match="is loaded") as refused:
        await seen(inspector, cold, base)
    assert refused.value.offer.startswith("base@")
    token = handed_on.set(True)
    with pytest.raises(ChatError, match="by the person at this machine"):
        await seen(inspector, cold, base, load=True)
    handed_on.reset(token)
    shown = await seen(inspector, cold, base, load=True)
    assert not shown["same_ids"] and "bits per byte" in shown["likely"]["words"][0]
    own = numbers_of(shown["likely"])["cold", "cold"]
    assert list(own) == ["Reply", "Read by", "Tokens", "Bits per byte", "Tokens cut"]
    nats = -sum(cold["turn"]["logprobs"][: -1 if cold["finish_reason"] == "end" else None])
    assert math.isclose(float(own["Bits per byte"]), nats / math.log(2) / len(cold["reply"].encode()), abs_tol=0.002)
    assert shown["parting"]["sides"][0]["token"] in cold["ids"] and shown["parting"]["sides"][1]["token"] in base["ids"]


async def test_a_reply_that_was_cut_where_the_other_goes_on(run, inspector: Inspector) -> None:
    cold = run[0]["cold"]
    short = cold | {"column": "short", "ids": cold["ids"][:5], "turn": cold["turn"] | {"logprobs": []}}
    parting = (await seen(inspector, cold, short))["parting"]
    assert parting["sides"][1]["token"] is None and parting["sides"][1]["place"] == 6 and "had ended" in parting["words"][1]
    assert by_model(parting["sides"][1]) == by_model(parting["sides"][0])


async def test_the_same_reply_parts_nowhere_and_is_as_likely(run, inspector: Inspector) -> None:
    cold = run[0]["cold"]
    shown = await seen(inspector, cold, cold | {"column": "twin"})
    assert shown["parting"] is None and len({tuple(line[2:]) for line in shown["likely"]["table"]}) == 1
    with pytest.raises(ChatError, match="no recorded tokens"):
        await seen(inspector, cold, cold | {"ids": []})


def test_the_token_at_a_character_is_the_first_that_makes_it(tiny_llama: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    emoji = tokenizer.encode("🦔", add_special_tokens=False)
    ids = [*tokenizer.encode("a", add_special_tokens=False), *emoji, *tokenizer.encode("b<|im_end|>", add_special_tokens=False)]
    assert len(emoji) > 1 and len(ids) == len(emoji) + 3
    side = Side("x", {}, Turn(ME, "c", "x", reply_text="a🦔b", reply_ids=ids), tokenizer)
    assert [token_at(side, character) for character in range(3)] == [0, 1, 1 + len(emoji)]
    assert ids[token_at(side, 3)] == tokenizer.convert_tokens_to_ids("<|im_end|>"), "where the other goes on, it ended its turn"
    side.turn.reply_ids.pop()
    assert token_at(side, 3) == len(ids)


def test_settings_count_what_they_cut_and_a_penalty_sees_what_stands_before() -> None:
    torch.manual_seed(0)
    logits = Logits((1, 2, 3, 4, 5, 4), 2, torch.randn(4, 8))
    chosen = torch.tensor(logits.ids[2:])
    plain = Sampling(temperature=0.5, top_k=2, top_p=1.0)
    found = done(likelihood(logits, plain))
    kept = [int(id) in row.topk(2).indices.tolist() for id, row in zip(chosen, logits.rows, strict=True)]
    assert found.tokens == 4 and found.cut == kept.count(False) > 0
    settled = -sum(
        float((row / 0.5).topk(2).values.log_softmax(-1)[row.topk(2).indices.tolist().index(int(id))])
        for id, row, there in zip(chosen, logits.rows, kept, strict=True)
        if there
    )
    assert math.isclose(found.settled, settled, abs_tol=1e-5)
    before = distributions(logits, 3, replace(plain, top_k=0, repetition_penalty=2.0), [4, 7])
    after = distributions(logits, 3, replace(plain, top_k=0), [4, 7])
    of = [next(one for one in made["candidates"] if one["id"] == 4) for made in (before, after)]
    assert of[0]["left"] < of[1]["left"] and of[0]["p"] == of[1]["p"]
    worst = int(logits.rows[3].argmin())
    last = distributions(logits, 3, plain, [worst], top=2)["candidates"][-1]
    assert (last["id"], last["rank"], last["left"]) == (worst, 8, 0.0), "what came is listed, however unlikely"
    greedy = done(likelihood(logits, Sampling(temperature=0)))
    assert greedy.cut == int((logits.rows.argmax(-1) != chosen).sum())


def done(work) -> Likelihood:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def test_sentences_count_tokens_that_cannot_come() -> None:
    turns = [
        Turn(ME, "c", "x", reply_text="ab", sampling=Sampling()),
        Turn(ME, "c", "x", reply_text="ab", sampling=Sampling(temperature=0)),
    ]
    own, other = Likelihood(4, 2.0, 1.0, 0), Likelihood(4, 8.0, 1.0, 3)
    made = said.likely(["a", "b"], turns, [[own, other], [other, own]], one_tokenizer=True)
    assert "with b’s settings 3 of its 4 tokens could not have come: greedy decoding takes others there." in made["words"][0]
    assert made["words"][1].endswith("could not have come: they are cut by a filter.")
    numbers = numbers_of(made)
    assert numbers["a", "a"]["With settings"] == "−0.250" and numbers["a", "b"]["With settings"] == "−∞"
    assert said.likely(["a", "b"], turns, [[None, None], [None, None]], one_tokenizer=False)["table"][0][2:] == ["–", "–", "–"]
    assert said.quoted(" \n") == "“·⏎”" and said.quoted("a b") == "“a·b”" and said.signed(-1e-9) == "0.000"


def test_what_recomputed_numbers_contradict_is_said() -> None:
    sampling = [Sampling(), Sampling(temperature=0)]
    turns = [Turn(ME, "c", "x", reply_text="ab", sampling=one) for one in sampling]
    own = Likelihood(4, 2.0, 1.0, 1)
    words = said.likely(["a", "b"], turns, [[own, own], [own, own]], one_tokenizer=True)["words"]
    assert words[0].startswith("The reply of a has a perplexity of 1.65 to both; with b’s settings 1 of its 4")
    assert words[1] == "Recomputed here, a’s own settings cut 1 of its 4 tokens: the engine’s own numbers were a little different."
    side = {"token": 1, "text": "x", "candidates": [{"id": 1, "p": 0.2, "left": 0.0}]}
    first, second = said.parting(["a", "b"], turns, [side, side], one_tokenizer=True)
    assert "recomputed here a filter cuts it" in first and "recomputed here greedy decoding takes another" in second
    assert said.notes(["a", "b"], ["x", "y"]) == ["The numbers of a: x.", "The numbers of b: y."] and said.notes(["a", "b"], ["", ""]) == []
