"""An architecture is built without weights: the same modules, shapes and numbers as of the loaded model, and lies end in a sentence."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, BertConfig, BertForSequenceClassification

from chatapp.errors import ChatError
from chatapp.xray import architecture, blocks, unloaded


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


@pytest.fixture(scope="module")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of three classes."""
    folder = tmp_path_factory.mktemp("tiny-bert")
    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        num_labels=3, max_position_embeddings=40,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_gpt2"])
def test_it_is_the_loaded_model_without_its_weights(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = unloaded.outline(folder)
    assert found["printed"] == str(loaded) and found["tree"] == architecture.tree(loaded)
    assert found["summary"] == architecture.summary(loaded, architecture.positions(loaded))


def test_a_classifier_is_built_as_one(tiny_bert: Path) -> None:
    found = unloaded.outline(tiny_bert)
    assert found["kind"] == "BertForSequenceClassification" and "(classifier): Linear(in_features=32, out_features=3" in found["printed"]
    assert found["summary"]["positions"] == {"kind": "learned", "table": "bert.embeddings.position_embeddings", "shape": [40, 32]}
    words = {row["name"]: row["words"] for row in found["block"]}
    assert "all tokens, before and behind" in words["attention"] and "after attention was added" in words["attention.output.LayerNorm"]


def test_what_a_block_does_is_said_with_its_numbers(tiny_llama: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    rows = blocks.explain(model, architecture.positions(model))
    assert [row["part"] for row in rows] == ["position", "attention", "feed-forward", "norm", "norm", "residual"]
    said = {row["name"]: row["words"] for row in rows}
    assert "8 speeds" in said[""] or "8 speeds" in rows[0]["words"]
    assert "4 heads of 16" in said["self_attn"] and "2 of them share" in said["self_attn"] and "before it" in said["self_attn"]
    assert "64 → 128 → 64" in said["mlp"] and "silu" in said["mlp"]
    assert "before attention" in said["input_layernorm"] and "before the feed-forward" in said["post_attention_layernorm"]


def test_it_is_built_in_a_process_of_its_own_and_remembered(tiny_llama: Path) -> None:
    found = unloaded.read(tiny_llama)
    assert found["kind"] == "LlamaForCausalLM" and found["summary"]["parameters"] > 0
    begun = time.monotonic()
    assert unloaded.read(tiny_llama) == found and time.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"num_hidden_layers": 10**9}, "no model has so many"),
        ({"num_hidden_layers": 500}, "num_hidden_layers is 500"),
        ({"model_type": "nothing-known"}, "cannot be built"),
        ({"auto_map": {"AutoConfig": "evil.C"}, "model_type": "evil"}, "cannot be built"),
        ({"hidden_size": "wide"}, "cannot be built"),
        ({"num_attention_heads": 0}, "model"),
    ],
)
def test_a_configuration_that_lies_is_a_sentence(copy: Path, change: dict, said: str) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ChatError, match=said):
        unloaded.outline(copy)


def test_a_folder_without_config_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"no config\.json"):
        unloaded.read(tmp_path)


def test_what_the_process_says_reaches_the_person(copy: Path) -> None:
    (copy / "config.json").write_text("{}")
    with pytest.raises(ChatError, match="cannot be built") as caught:
        unloaded.read(copy)
    assert "Traceback" not in str(caught.value)
