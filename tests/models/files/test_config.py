"""config.json: each key that changes shape or memory comes with its number and what it multiplies to; lies beside the weights are said."""

import json
from pathlib import Path

import pytest

from chatapp.models.files import config
from chatapp.models.files.explained import Explained
from chatapp.models.files.folder import Entry, opened
from chatapp.models.files.tensors import Tensor
from chatapp.models.shape import shape_of

SMOL = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
    "rope_theta": 100000.0,
}


def explained(tmp_path: Path, values: object, tensors: list[Tensor] | None = None) -> Explained:
    (tmp_path / "config.json").write_text(json.dumps(values))
    return config.explain(Entry("config.json", 1), opened(tmp_path), tensors or [])


def words(found: Explained) -> dict[str, str]:
    return {line.key: line.words for line in found.lines}


def test_sizes_come_with_what_they_multiply_to(tmp_path: Path) -> None:
    said = words(explained(tmp_path, SMOL))
    assert "49,152 × 576 = 28,311,552" in said["hidden_size"]
    assert "3 × 576 × 1,536 = 2,654,208 parameters a block, 79,626,240 in 30 blocks" in said["intermediate_size"]
    assert "each about 3,540,096 parameters" in said["num_hidden_layers"]
    assert "2 × 30 layers × 3 heads × 64 × 2 bytes = 23,040 bytes" in said["num_key_value_heads"]
    assert "8,192 × 23,040 bytes = 0.2 GB" in said["max_position_embeddings"]
    assert "28,311,552 parameters are stored once" in said["tie_word_embeddings"]
    assert "2 bytes a parameter" in said["dtype"]


def test_the_sum_of_what_is_said_is_the_models_own(tmp_path: Path) -> None:
    """30 blocks, the table of words and the last norm are SmolLM2-135M's 134,515,008 parameters."""
    shape = shape_of(SMOL)
    assert shape.layers * shape.block + shape.embedding + shape.hidden == 134_515_008


FAMILIES = {
    "gpt2": ({"n_layer": 12, "n_embd": 768, "n_head": 12}, (12, 768, 3072, 2, 12)),
    "distilbert": ({"n_layers": 6, "dim": 768, "hidden_dim": 3072, "n_heads": 12}, (6, 768, 3072, 2, 12)),
    "gemma3": ({"text_config": {"num_hidden_layers": 34, "hidden_size": 2560, "intermediate_size": 10240}}, (34, 2560, 10240, 3, 0)),
    "falcon": (
        {"num_hidden_layers": 32, "hidden_size": 4544, "num_attention_heads": 71, "multi_query": True},
        (32, 4544, 18176, 2, 1),
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_families_name_their_sizes_differently(family: str) -> None:
    values, sizes = FAMILIES[family]
    shape = shape_of(values | {"model_type": family})
    assert (shape.layers, shape.hidden, shape.inner, shape.matrices, shape.kv_heads) == sizes


def test_an_encoder_has_no_cache(tmp_path: Path) -> None:
    said = words(explained(tmp_path, SMOL | {"model_type": "bert", "architectures": ["BertForSequenceClassification"]}))
    assert "KV cache" not in said["max_position_embeddings"] and "names a class" in said["architectures"]


def test_unknown_keys_are_said_to_be_unknown(tmp_path: Path) -> None:
    found = explained(tmp_path, SMOL | {"frobnicate": 7})
    line = next(line for line in found.lines if line.key == "frobnicate")
    assert not line.known and "does not know" in line.words and found.more["unknown"] == ["frobnicate"]


def test_what_the_files_hold_is_compared_with_what_is_said(tmp_path: Path) -> None:
    held = [Tensor("model.embed_tokens.weight", (600, 64), "F32", 4, "m"), Tensor("model.layers.0.a.weight", (2,), "F32", 4, "m")]
    problem = explained(tmp_path, SMOL, held).problem
    assert "49,152 × 576" in problem and "600 × 64" in problem and "names 30 blocks, and the files hold 1" in problem
    true = SMOL | {"vocab_size": 600, "hidden_size": 64, "num_hidden_layers": 1}
    assert explained(tmp_path, true, held).problem == ""


@pytest.mark.parametrize(
    "lie",
    [
        {"hidden_size": 10**400},
        {"hidden_size": -5, "num_attention_heads": 0},
        {"num_hidden_layers": "many", "vocab_size": None},
        {"num_attention_heads": [1, 2], "head_dim": {"a": 1}},
        {"model_type": ["llama"], "dtype": {"x": 1}, "architectures": 5},
        {"text_config": "no", "vision_config": [1]},
        {"auto_map": {"AutoModel": "evil.Model"}},
        {"x" * 10_000: "\ud800\x1b[31m" * 10_000},
    ],
)
def test_lies_are_told_and_nothing_breaks(tmp_path: Path, lie: dict) -> None:
    found = explained(tmp_path, SMOL | lie)
    told = json.dumps(found.plain(), ensure_ascii=False)
    told.encode()
    assert "\x1b" not in told and len(told) < 100_000
    assert "never runs" in found.problem if "auto_map" in lie else found.lines
