"""A snapshot of a run, looked into: plain data that equals transformers' own, few models kept, sentences for what is not there."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatapp.errors import ChatError, NotFound
from chatapp.lab.train.snapshots import VIEWS, Snapshots, step_of
from chatapp.models.memory import weight_bytes
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector
from tests.conftest import Scripted
from tests.tiny import one_more_step
from tests.xrays import last

PROMPT = "The capital of France is"


@pytest.fixture(scope="module")
def run(tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three snapshots, each with weights of its own."""
    place = tmp_path_factory.mktemp("run") / "snapshots"
    shutil.copytree(tiny_gpt2, place / "step-000000")
    one_more_step(place / "step-000000", place / "step-000001")
    one_more_step(place / "step-000001", place / "step-001200")
    return place


@pytest.fixture
def snapshots(scripted: Scripted, tmp_path: Path) -> Iterator[Snapshots]:
    settings = Settings(data_dir=tmp_path, threads=1)
    inspector = Inspector(ModelManager.of(scripted, settings))
    yield Snapshots(inspector, settings)
    inspector.close()


async def test_the_likeliest_next_tokens_are_those_of_transformers(snapshots: Snapshots, run: Path) -> None:
    folder = run / "step-001200"
    (shown,) = (await last(snapshots.look("next", folder, PROMPT, {})))["models"]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        own = model(torch.tensor([tokenizer(PROMPT)["input_ids"]])).logits[0, -1].softmax(-1)
    values, ids = own.topk(10)
    assert [i for i, _, _ in shown["top"]] == ids.tolist() and shown["name"] == "step 1,200"
    assert [p for _, p, _ in shown["top"]] == pytest.approx(values.tolist(), rel=1e-4)
    assert [text for _, _, text in shown["top"]] == [tokenizer.decode([i]) for i in ids]
    assert shown["bits"] == pytest.approx(-float((own * own.log2()).sum()), rel=1e-4)


@pytest.mark.parametrize("view", VIEWS)
async def test_every_view_is_plain_data_and_changes_with_the_step(view: str, snapshots: Snapshots, run: Path) -> None:
    shown = [await last(snapshots.look(view, run / name, PROMPT, {})) for name in ("step-000000", "step-001200")]
    assert [(data["view"], data["step"]) for data in shown] == [(view, 0), (view, 1200)]
    first, then = (json.dumps(data["models"][0] | {"name": ""}, allow_nan=False, sort_keys=True) for data in shown)
    assert first != then


def test_what_was_looked_at_last_is_kept_within_a_limit(snapshots: Snapshots, run: Path) -> None:
    folders = sorted(run.iterdir())
    models = [snapshots.model(folder) for folder in folders]
    assert [snapshots.model(folder) for folder in folders] == models
    snapshots.most = 2 * weight_bytes(models[0].model)
    snapshots.model(folders[0])
    assert snapshots.held == snapshots.most and snapshots.model(folders[0]) is models[0]
    assert snapshots.model(folders[1]) is not models[1], "the one looked at longest ago left"
    snapshots.most = 0
    assert snapshots.model(folders[2]).name == "step 1,200" and snapshots.held == weight_bytes(models[2].model)


async def test_a_snapshot_writes_the_same_again_and_another_one_something_else(snapshots: Snapshots, run: Path) -> None:
    before = torch.get_rng_state()
    first, again = [await snapshots.samples(run / "step-000000", [PROMPT, "We"], 42) for _ in range(2)]
    assert first == again and [one["prompt"] for one in first] == [PROMPT, "We"] and all(one["text"] for one in first)
    assert await snapshots.samples(run / "step-001200", [PROMPT, "We"], 42) != first
    assert torch.equal(torch.get_rng_state(), before), "nobody else's random numbers are touched"
    with pytest.raises(NotFound):
        await snapshots.samples(run / "step-000007", [PROMPT], 42)


async def test_wrong_questions_are_sentences(snapshots: Snapshots, run: Path) -> None:
    folder = run / "step-000001"
    for view, place, prompt, words in [
        ("weights", folder, PROMPT, "no view of a snapshot named 'weights'"),
        ("next", folder, "", "1 to 1,000 characters; this one has 0"),
        ("next", folder, "x" * 1001, "this one has 1,001"),
        ("next", folder.with_name("step-000007"), PROMPT, "The snapshot of step 7 was not found"),
    ]:
        with pytest.raises(ChatError, match=words):
            await last(snapshots.look(view, place, prompt, {}))
    with pytest.raises(NotFound):
        snapshots.model(run / "nowhere")


@pytest.mark.parametrize(("name", "step"), [("step-000120", 120), ("final", None), ("step-", None), ("step-x1", None)])
def test_the_step_stands_in_the_folders_name(name: str, step: int | None) -> None:
    assert step_of(Path(name)) == step
