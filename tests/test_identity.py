"""A fingerprint tells checkpoints of one run apart, survives a copy, takes milliseconds, and says what it cannot see."""

import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.identity import BLOCK, BLOCKS, file_fingerprint, folder_fingerprint


def one_more_step(folder: Path, target: Path) -> Path:
    """The next checkpoint of the same run: one step of SGD at a small rate, saved with the same configuration and tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(folder, target)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.arange(3, 40)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    torch.optim.SGD(model.parameters(), lr=1e-4).step()
    model.save_pretrained(target)
    return target


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
    began = time.perf_counter()
    before = file_fingerprint(path)
    assert time.perf_counter() - began < 0.5
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
