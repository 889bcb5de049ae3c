"""A whole folder explained: each file by what it is for, what is missing by where it went, and nothing heavy imported for it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.files import folder as folders
from chatapp.models.files.listing import Explanation, explain
from tests.test_layers import ROOT

CONFIG = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2}


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "model"))


def told(found: Explanation, name: str):
    return next(file for file in found.files if file.name == name)


def test_every_file_of_a_saved_model_has_its_kind_and_its_words(tiny_llama: Path) -> None:
    found = explain(tiny_llama, run=False)
    kinds = {file.name: file.kind for file in found.files}
    assert set(kinds) == set(os.listdir(tiny_llama))
    assert kinds["config.json"] == "configuration" and kinds["model.safetensors"] == "weights" and kinds["tokenizer.json"] == "tokenizer"
    assert kinds["chat_template.jinja"] == "chat template" and "unknown" not in kinds.values()
    assert all(file.explanation and not file.problem and file.bytes == (tiny_llama / file.name).stat().st_size for file in found.files)


def test_the_tensors_are_those_of_the_model_and_equal_blocks_are_one_group(tiny_llama: Path) -> None:
    from safetensors import safe_open

    with safe_open(tiny_llama / "model.safetensors", "pt") as file:
        names = set(file.keys())
        numbers = sum(file.get_tensor(name).numel() for name in names)
    table = explain(tiny_llama, run=False).plain()["tensors"]
    assert table["parameters"] == numbers and {row["name"] for row in table["list"]} == names
    blocks = next(group for group in table["groups"] if group["name"] == "model.layers")
    assert (blocks["first"], blocks["last"], blocks["times"], len(blocks["tensors"])) == (0, 1, 2, 9)
    assert sum(group["parameters"] * group["times"] for group in table["groups"]) == numbers


def test_files_that_newer_versions_no_longer_write_are_explained_as_absent(tiny_llama: Path, copy: Path) -> None:
    absent = {file.name: file.explanation for file in explain(tiny_llama, run=False).absent}
    assert "tokenizer_config.json" in absent["special_tokens_map.json"] and "tokenizer.json holds" in absent["merges.txt"]
    assert "model.safetensors" in absent["pytorch_model.bin"]
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    (copy / "tokenizer.json").unlink()
    absent = {file.name: file.explanation for file in explain(copy, run=False).absent}
    assert absent["model.safetensors"].startswith("Needed") and "pytorch_model.bin is here" in absent["model.safetensors"]
    assert absent["tokenizer.json"].startswith("Needed") and "pytorch_model.bin" not in absent


def test_pickles_are_named_and_sized_and_not_opened(copy: Path) -> None:
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/opened'\ntR.")
    (copy / "training_args.bin").write_bytes(b"x")
    found = explain(copy, run=False)
    for name in ("pytorch_model.bin", "training_args.bin"):
        file = told(found, name)
        assert file.kind == "pickle" and "run any" in file.explanation and not file.content
    assert told(found, "pytorch_model.bin").bytes == 36
    assert "pytorch_model.bin" not in [file.name for file in found.absent]


def test_unknown_files_and_texts_are_said_to_be_what_they_are(copy: Path) -> None:
    (copy / "README.md").write_text("---\nlicense: mit\nlanguage: en\n---\n# A model\n<script>alert(1)</script>")
    (copy / "modeling_x.py").write_text("raise SystemExit")
    (copy / "what.xyz").write_bytes(b"\0\1")
    found = explain(copy, run=False)
    card = told(found, "README.md")
    assert [(line.key, line.value) for line in card.lines] == [("license", "mit"), ("language", "en")] and "# A model" in card.content
    assert "never runs it" in told(found, "modeling_x.py").explanation and told(found, "modeling_x.py").content == "raise SystemExit"
    assert told(found, "what.xyz").kind == "unknown"


def test_links_out_of_the_folder_are_named_and_not_followed(copy: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"key": "s3cret"}')
    (copy / "added_tokens.json").symlink_to(secret)
    (copy / "merges.txt").symlink_to(copy / "nowhere")
    (copy / "sub").symlink_to(tmp_path)
    os.mkfifo(copy / "vocab.txt")
    found = explain(copy, run=False)
    assert "leads out of the folder" in told(found, "added_tokens.json").problem
    assert "not there" in told(found, "merges.txt").problem and "leads out" in told(found, "sub").problem
    assert "no file" in told(found, "vocab.txt").problem
    assert "s3cret" not in json.dumps(found.plain())


def test_a_snapshot_of_the_hubs_cache_is_read_through_its_links(tiny_llama: Path, tmp_path: Path) -> None:
    repo = tmp_path / "models--org--tiny"
    snapshot = repo / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    shutil.copytree(tiny_llama, repo / "blobs")
    for file in (repo / "blobs").iterdir():
        (snapshot / file.name).symlink_to(Path("../../blobs") / file.name)
    found = explain(snapshot, run=False)
    assert len(found.files) == len(os.listdir(tiny_llama)) and not any(file.problem for file in found.files)
    assert told(found, "config.json").bytes > 0


def test_names_that_lead_out_are_refused(copy: Path) -> None:
    folder = folders.opened(copy)
    for name in ("../secret", "/etc/passwd", "sub/../../x"):
        with pytest.raises(ChatError, match="leads out of the folder"):
            folder.read(name)


def test_a_folder_is_read_for_so_many_bytes_and_no_more(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MOST_FILES", 3)
    assert len(folders.opened(copy).entries()) == 4
    folder = folders.Folder(copy, left=100)
    with pytest.raises(ChatError, match="MB of this folder were read already"):
        folder.read("tokenizer.json")
    with pytest.raises(ChatError, match=r"has [\d,]+ bytes; at most 10"):
        folders.opened(copy).read("tokenizer.json", 10)


def test_a_folder_that_is_none_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="There is no folder or file"):
        explain(tmp_path / "nothing")
    assert explain(tmp_path).files == []


def test_half_characters_and_odd_names_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "\\ud800{{ messages[0].content }}", "bos_token": "\\udfff"}')
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff\x1b[31m.json")).write_text("{}")
    (tmp_path / "config.json").write_text('{"a": ' + "[" * 900 + "]" * 900 + ', "hidden_size": 1e999}')
    printed = json.dumps(explain(tmp_path).plain(), ensure_ascii=False)
    assert printed.encode() and "\x1b" not in printed and len(json.loads(printed)["files"]) == 3


def test_explaining_imports_neither_torch_nor_transformers(tiny_llama: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path\nfrom chatapp.models.files.listing import explain\n"
        f"assert explain(Path({str(tiny_llama)!r})).files\n"
        "print(*{'torch', 'transformers', 'gradio', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "" and done.returncode == 0, done.stderr
