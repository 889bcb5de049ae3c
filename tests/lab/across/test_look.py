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
from chatapp.lab.across.look import look
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
    return sorted((token, p) for token, p, *_ in side["candidates"])


async def test_both_distributions_at_the_place_where_two_replies_part(run, inspector: Inspector) -> None:
    cold, hot = (run[0][name] for name in ("cold", "hot"))
    at = next(n for n, (a, b) in enumerate(zip(cold["ids"], hot["ids"], strict=False)) if a != b)
    parting = (await seen(inspector, cold, hot))["parting"]
    left, right = parting["sides"]
    assert (left["token"], right["token"]) == (cold["ids"][at], hot["ids"][at]) and left["place"] == right["place"] == at + 1
    assert by_model(left) == by_model(right) and len(left["candidates"]) == 10, "one model, one text so far"
    assert left["kept"] == 1 and left["candidates"][0][0] == cold["ids"][at] and left["candidates"][0][2] == 1.0
    assert right["kept"] == 3 and [p > 0 for *_, p, _ in right["candidates"]] == [True] * 3 + [False] * 7
    assert right["token"] in [token for token, *_ in right["candidates"][:3]]
    assert math.isclose(math.log(left["candidates"][0][1]), cold["turn"]["logprobs"][at], abs_tol=1e-4)
    assert parting["words"][0].startswith("cold took “") and "as greedy decoding does" in parting["words"][0]
    assert "which had a chance of" in parting["words"][1]


async def test_how_likely_each_reply_is_to_the_other_column(run, inspector: Inspector) -> None:
    cold, kind = (run[0][name] for name in ("cold", "kind"))
    likely = (await seen(inspector, cold, kind))["likely"]
    assert [line[:2] for line in likely["table"]] == [["cold", "cold"], ["cold", "kind"], ["kind", "cold"], ["kind", "kind"]]
    numbers = {tuple(line[:2]): dict(zip(likely["heads"], line, strict=True)) for line in likely["table"]}
    assert math.isclose(float(numbers["cold", "cold"]["Perplexity"]), math.exp(-cold["logprob"]), abs_tol=0.006)
    assert numbers["cold", "cold"]["No chance there"] == "0" and float(numbers["cold", "kind"]["Perplexity"]) > 1
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
    assert "Perplexity" not in shown["likely"]["heads"] and "bits a byte" in shown["likely"]["words"][0]
    own = dict(zip(shown["likely"]["heads"], shown["likely"]["table"][0], strict=True))
    nats = -sum(cold["turn"]["logprobs"][: -1 if cold["finish_reason"] == "end" else None])
    assert math.isclose(float(own["Bits a byte"]), nats / math.log(2) / len(cold["reply"].encode()), abs_tol=0.002)
    assert shown["parting"]["sides"][0]["token"] in cold["ids"] and shown["parting"]["sides"][1]["token"] in base["ids"]


async def test_a_reply_that_was_cut_where_the_other_goes_on(run, inspector: Inspector) -> None:
    cold = run[0]["cold"]
    short = cold | {"column": "short", "ids": cold["ids"][:5], "turn": cold["turn"] | {"logprobs": []}}
    parting = (await seen(inspector, cold, short))["parting"]
    assert parting["sides"][1]["token"] is None and parting["sides"][1]["place"] == 6 and "had been cut" in parting["words"][1]
    assert by_model(parting["sides"][1]) == by_model(parting["sides"][0])


async def test_the_same_reply_parts_nowhere_and_is_as_likely(run, inspector: Inspector) -> None:
    cold = run[0]["cold"]
    shown = await seen(inspector, cold, cold | {"column": "twin"})
    assert shown["parting"] is None and len({tuple(line[2:]) for line in shown["likely"]["table"]}) == 1
    with pytest.raises(ChatError, match="no recorded tokens"):
        await seen(inspector, cold, cold | {"ids": []})


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
    assert before["chances"][0][1] < after["chances"][0][1] and before["chances"][0][0] == after["chances"][0][0]
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
    assert said.likely(["a", "b"], turns, [[None, None], [None, None]], one_tokenizer=False)["table"][0][2:] == ["–", "–", "–"]
    assert said.quoted(" \n") == "“␣⏎”" and said.quoted("a b") == "“a b”"
