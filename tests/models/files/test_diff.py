"""Two models side by side: what differs, in sizes, keys and templates; nothing where they are alike."""

import json
import shutil
from pathlib import Path

import pytest

from chatapp.models.files import diff


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def test_a_copy_is_alike(tiny_llama: Path, copy: Path) -> None:
    found = diff.compare(tiny_llama, copy)
    assert found == {"sizes": [], "keys": [], "template": [], "problems": [], "note": ""}


def test_what_differs_is_said_with_what_it_means(tiny_llama: Path, copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    config["rope_parameters"]["rope_theta"] = 7.0
    del config["attention_bias"]
    (copy / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3, "mine": True}))
    template = (copy / "chat_template.jinja").read_text()
    (copy / "chat_template.jinja").write_text(template + "\nmore")
    found = diff.compare(tiny_llama, copy)
    assert {"key": "blocks", "one": "2", "other": "3"} in found["sizes"]
    keys = {row["key"]: row for row in found["keys"]}
    assert set(keys) == {"rope_parameters.rope_theta", "attention_bias", "num_hidden_layers", "mine"}
    assert keys["rope_parameters.rope_theta"]["other"] == "7.0" and "rotations" in keys["rope_parameters.rope_theta"]["words"]
    assert keys["attention_bias"]["other"] == "" and keys["mine"]["one"] == "" and keys["mine"]["words"] == ""
    assert {"sign": "+", "text": "more"} in found["template"]


def test_a_gguf_and_a_folder_are_compared_by_sizes_and_template(smol_gguf: Path, tiny_llama: Path, tmp_path: Path) -> None:
    found = diff.compare(smol_gguf, tiny_llama)
    assert found["keys"] == [] and found["note"] and {"key": "blocks", "one": "30", "other": "2"} in found["sizes"]
    assert any("SmolLM" in row["text"] for row in found["template"] if row["sign"] == "-")


def test_a_broken_one_is_a_sentence(tiny_llama: Path, copy: Path) -> None:
    (copy / "config.json").write_text("[" * 10_000)
    assert "config.json is broken" in diff.compare(tiny_llama, copy)["problems"][0]
