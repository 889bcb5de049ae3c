"""A grid's judge: its numbers are those of a bare loop over transformers; each reply is judged once, also after a kill."""

import json
import math
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatapp.errors import ChatError
from chatapp.lab import exports, report
from chatapp.lab.compare import Comparison
from chatapp.lab.judge import numbers, refuse_unknown
from chatapp.lab.results import Results, read
from chatapp.lab.rows import Row, key_of
from chatapp.lab.surprise import Surprise
from chatapp.lab.verdict import verdicts
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.tasks import Tasks
from chatapp.turn import Message
from chatapp.xray.inspector import Inspector
from tests.lab.runs import ME, append, grid, lines, repeatable, rows_of

PLAIN = """
prompts: [Where is Paris, Two]
columns:
  - {name: cold, temperature: 0, max_tokens: 12, system: Be kind.}
  - {name: heat, max_tokens: 12, sweep: {temperature: [0.5, 1.5]}}
replicas: 2
"""
GRID = f"{PLAIN}judge: default\n"


@pytest.fixture
async def models(tiny_llama: Path, tmp_path: Path) -> AsyncIterator[ModelManager]:
    settings = Settings(model=str(tiny_llama), engine="direct", data_dir=tmp_path, threads=1, device="cpu", dtype="float32")
    made = ModelManager(settings)
    made.start()
    yield made
    made.close()


@pytest.fixture
def inspector(models: ModelManager):
    made = Inspector(models)
    yield made
    made.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def run_of(text: str, out: Path, inspector: Inspector) -> Comparison:
    task = Tasks().begin(ME, "compare", "Compare")
    return Comparison(Results(out, grid(text)), inspector.served, owner=ME, task=task, may_load=True, inspector=inspector)


def bare(folder: Path, row: Row) -> tuple[float, float]:
    """(perplexity, mean entropy in nats) by a loop over transformers alone, a token at a time."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    system = [{"role": "system", "content": row["turn"]["system"]}] if row["turn"]["system"] else []
    asked = [*system, {"role": "user", "content": row["prompt"]}]
    prompt = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=True, return_dict=False)
    reply = tokenizer(row["reply"], add_special_tokens=False)["input_ids"]
    nats = entropy = 0.0
    for place, token in enumerate(reply):
        with torch.no_grad():
            probabilities = model(torch.tensor([prompt + reply[:place]])).logits[0, -1].double().softmax(-1)
        nats -= math.log(float(probabilities[token]))
        entropy -= float((probabilities * probabilities.log()).sum())
    return math.exp(nats / len(reply)), entropy / len(reply)


async def test_the_numbers_are_those_of_a_bare_loop(inspector: Inspector, out: Path, tiny_llama: Path) -> None:
    run = run_of(GRID, out, inspector)
    told = await rows_of(run)
    rows = [json.loads(line) for line in lines(out)]
    assert len(rows) == 10 and len(told) == 20 and [row for row in told if "judged" not in row] and run.judged == 10
    assert run.task.step.words == "10 of 10 replies, 10 judged" and (run.task.state, run.share) == ("done", 1.0)
    for row in rows:
        perplexity, entropy = bare(tiny_llama, row)
        judged = row["judged"]
        assert judged["model"] == inspector.served.first.id and list(judged) == ["model", "perplexity", "entropy", "bits_per_byte"]
        assert math.isclose(judged["perplexity"], perplexity, rel_tol=1e-4) and math.isclose(judged["entropy"], entropy, rel_tol=1e-4)
        tokens = len(AutoTokenizer.from_pretrained(tiny_llama)(row["reply"], add_special_tokens=False)["input_ids"])
        bits = math.log2(judged["perplexity"]) * tokens / len(row["reply"].encode())
        assert math.isclose(judged["bits_per_byte"], bits, rel_tol=1e-6)


async def test_the_numbers_are_in_every_form_and_not_where_there_is_no_judge(inspector: Inspector, out: Path, tmp_path: Path) -> None:
    await rows_of(run_of(GRID, out, inspector))
    made, rows = read(out)
    assert {one.metric.name for one in verdicts(made, rows)} >= {"perplexity", "entropy"}
    assert "perplexity,entropy" in exports.csv(made, rows) and "Entropy" in exports.markdown(made, rows)
    assert "Perplexity by temperature" in report.html(made, rows)
    plain = tmp_path / "plain.jsonl"
    await rows_of(run_of(PLAIN, plain, inspector))
    made, bare_rows = read(plain)
    assert "judge" not in plain.with_suffix(".grid.yaml").read_text() and not any("judged" in row for row in bare_rows)
    without = {key_of(row): repeatable({name: value for name, value in row.items() if name != "judged"}) for row in rows}
    assert without == {key_of(row): repeatable(row) for row in bare_rows}
    for form in (exports.csv, exports.markdown, report.html):
        assert "erplexity" not in form(made, bare_rows)


async def test_what_was_cut_is_judged_where_it_was_not_and_never_twice(
    inspector: Inspector, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Results, "close", lambda self: self._file.close())  # a kill writes nothing together
    async with aclosing(run_of(GRID, out, inspector).run()) as rows:
        async for row in rows:
            if "judged" in row:
                break
    monkeypatch.undo()
    before = {key_of(row): row["judged"] for row in read(out)[1] if "judged" in row}
    assert 1 <= len(before) < 10
    assert len(lines(out)) == len(read(out)[1]) + len(before), "each a line of its own until the run ends"
    append(out, '{"judged":{"model":"x","perpl')
    run = run_of(GRID, out, inspector)
    assert run.judged == len(before)
    again = [row for row in await rows_of(run) if "judged" in row]
    assert {key_of(row) for row in again}.isdisjoint(before) and len(again) == 10 - len(before)
    rows = {key_of(row): row["judged"] for row in read(out)[1]}
    assert len(lines(out)) == len(rows) == 10 and before.items() <= rows.items()
    kept = lines(out)
    assert await rows_of(run_of(GRID, out, inspector)) == [] and lines(out) == kept


async def test_a_judge_may_be_added_and_not_changed(inspector: Inspector, out: Path) -> None:
    await rows_of(run_of(PLAIN, out, inspector))
    told = await rows_of(run_of(GRID, out, inspector))
    assert len(told) == 10 and all("perplexity" in row["judged"] for row in told), "no reply is made again"
    with pytest.raises(ChatError, match="judge: 'default' before, 'other' now"):
        Results(out, grid(f"{PLAIN}judge: other"))
    with pytest.raises(ChatError, match="judge: 'default' before, not given now"):
        Results(out, grid(PLAIN))


async def test_what_cannot_be_judged_says_why_and_fails_no_reply(inspector: Inspector, out: Path) -> None:
    run = run_of(f"{PLAIN}judge: /nowhere/model", out, inspector)
    told = await rows_of(run)
    rows = list(run.rows.values())
    assert run.failures == 0 and len(rows) == 10 and all("/nowhere/model" in row["judged"]["why"] for row in rows)
    assert len(told) == 20 and all(row["judged"].keys() == {"model", "why"} for row in rows)
    again = run_of(f"{PLAIN}judge: /nowhere/model", out, inspector)
    assert again.judged == 0 and len(await rows_of(again)) == 10, "it is tried again, as the model may be there by now"


async def test_an_empty_reply_and_one_that_does_not_fit_say_so(inspector: Inspector, out: Path) -> None:
    run = run_of(GRID, out, inspector)
    [row] = await rows_of(run, at_most=1)
    judge = run._judging.judge
    assert "no tokens" in (await judge.read(row | {"reply": ""}))["why"]
    context = inspector.served.first.engine.capabilities.context
    assert f"which holds {context:,}" in (await judge.read(row | {"reply": "a b " * context}))["why"]
    special = await judge.read(row | {"reply": "<|im_end|>"})
    assert special["perplexity"] > 1 and special["bits_per_byte"] > 0
    with pytest.raises(ChatError, match="no probability"):
        numbers(Surprise(2, math.inf, 1.0), "ab")


async def test_an_unknown_judge_is_refused_with_the_nearest_name(models: ModelManager) -> None:
    known = models.first.id
    refuse_unknown(models, "", may_load=False)
    refuse_unknown(models, known, may_load=False)
    refuse_unknown(models, "org/of-the-hub", may_load=True)
    with pytest.raises(ChatError, match=f"Did you mean {known}"):
        refuse_unknown(models, f"{known}x", may_load=False)
    for may_load in (True, False):
        with pytest.raises(ChatError, match="The judge: There is no model 'nowhere' here"):
            refuse_unknown(models, "nowhere", may_load=may_load)
    with pytest.raises(ChatError, match="The judge: There is no model 'org/of-the-hub' here"):
        refuse_unknown(models, "org/of-the-hub", may_load=False)


async def test_judging_disturbs_no_prompt(inspector: Inspector, out: Path) -> None:
    """A reply is cut as plain text by another tokenizer than the one that writes everybody's prompts meanwhile."""
    run = run_of(GRID, out, inspector)
    [row] = await rows_of(run, at_most=1)
    engine, until = inspector.served.first.engine, time.monotonic() + 0.5
    render = partial(engine.render, [Message("user", "Where is Paris")], max_tokens=1)
    wanted, wrong = render().ids, []

    def others() -> None:
        while time.monotonic() < until:
            if render().ids != wanted:
                wrong.append(1)

    threads = [threading.Thread(target=others) for _ in range(2)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        await run._judging.judge.read(row)
    for thread in threads:
        thread.join()
    assert wrong == []
