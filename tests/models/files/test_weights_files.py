"""Weights by their headers: what is wrong with one is a sentence, and no file is read further than its header."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from chatapp.models.files.explained import Explained
from chatapp.models.files.listing import explain


def write(path: Path, header: Any, data: bytes = b"") -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def one(folder: Path, name: str = "model.safetensors") -> Explained:
    return next(file for file in explain(folder, run=False).files if file.name == name)


@pytest.mark.parametrize(
    ("header", "data", "said"),
    [
        ({"a": tensor([2, 3], 0, 24)}, bytes(24), ""),
        ({"a": tensor([2, 3], 0, 20)}, bytes(24), r"gives a 20 bytes, and 2 × 3 numbers of F32 take 24"),
        ({"a": tensor([2**62, 2**62], 0, 24)}, bytes(24), r"is damaged"),
        ({"a": tensor([2, 3], 0, 24)}, bytes(10), "cut short"),
        ({"a": {"dtype": "F32"}}, b"", "does not say what tensor"),
        (b"[" * 5000, b"", "header is not JSON"),
        ([], b"", "no table of tensors"),
    ],
)
def test_a_safetensors_header_is_checked(tmp_path: Path, header: Any, data: bytes, said: str) -> None:
    write(tmp_path / "model.safetensors", header, data)
    told = one(tmp_path)
    assert told.kind == "weights" and (said in told.problem if said else told.problem == "")


def test_files_too_short_for_a_header_are_a_sentence(tmp_path: Path) -> None:
    for data in (b"", b"abc", struct.pack("<Q", 2**63)):
        (tmp_path / "model.safetensors").write_bytes(data)
        assert "damaged" in one(tmp_path).problem


def test_shards_and_what_their_index_names(tmp_path: Path) -> None:
    write(tmp_path / "model-00001-of-00002.safetensors", {"model.layers.0.w": tensor([4], 0, 16)}, bytes(16))
    places = {"model.layers.0.w": "model-00001-of-00002.safetensors", "model.layers.1.w": "model-00002-of-00002.safetensors"}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    told = one(tmp_path, index.name)
    assert "1 of 2 files that it names are missing, first model-00002" in told.problem and len(told.lines) == 2
    write(tmp_path / "model-00002-of-00002.safetensors", {"model.layers.1.w": tensor([4], 0, 16)}, bytes(16))
    found = explain(tmp_path, run=False)
    assert found.plain()["tensors"]["groups"][0]["times"] == 2 and one(tmp_path, index.name).problem == ""


@pytest.mark.parametrize("places", [{"w": "../../etc/passwd"}, {"w": "/etc/passwd"}, {"w": "sub/x.safetensors"}])
def test_an_index_that_names_files_elsewhere_opens_none(tmp_path: Path, places: dict[str, str]) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    assert "no file beside it" in one(tmp_path, "model.safetensors.index.json").problem


@pytest.mark.parametrize("weight_map", [None, [], {}, {"a": 5}])
def test_an_index_without_a_table_is_a_sentence(tmp_path: Path, weight_map: Any) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert one(tmp_path, "model.safetensors.index.json").problem


@pytest.mark.parametrize("data", [b"", b"GGUF", b"GGUX" + bytes(50), b"GGUF" + struct.pack("<IQQ", 3, 2**60, 2**60)])
def test_a_gguf_that_is_none_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.gguf").write_bytes(data)
    told = one(tmp_path, "model.gguf")
    assert told.kind == "GGUF" and told.problem and "Traceback" not in told.problem


def test_a_gguf_of_endless_empty_values_ends_soon(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2**40))
    with path.open("r+b") as file:
        file.truncate(10**10)  # sparse: it takes no room on the disk
    assert "values" in one(tmp_path, "model.gguf").problem
