"""Saving a model to a folder, loading it back, and everything that a folder is refused for."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from chatapp.errors import ChatError
from chatapp.models.hub import no_progress
from chatapp.models.saving import save_module, save_place


def logits(folder: Path, kind: str = "AutoModelForCausalLM", dtype: str = "auto"):
    import torch
    import transformers

    model = getattr(transformers, kind).from_pretrained(folder, dtype=dtype).eval()
    with torch.inference_mode():
        out = model(input_ids=torch.tensor([[5, 6, 7]]))
    return out.logits if kind != "AutoModel" else out.last_hidden_state


def test_a_chat_model_comes_back_with_the_same_logits_and_its_template(tiny_llama: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoTokenizer

    target = tmp_path / "new" / "mine"
    size = save_place(tiny_llama, "tiny", target, no_progress)
    assert torch.equal(logits(target), logits(tiny_llama)) and size > 400_000
    assert AutoTokenizer.from_pretrained(target).chat_template == AutoTokenizer.from_pretrained(tiny_llama).chat_template
    assert (target / "generation_config.json").is_file() and [path.name for path in target.parent.iterdir()] == ["mine"]


def test_a_model_in_memory_is_saved_in_the_numbers_in_which_it_is_held(tiny_llama: Path, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    held = AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.bfloat16)
    save_module(held, AutoTokenizer.from_pretrained(tiny_llama), tmp_path / "half", no_progress)
    assert torch.equal(logits(tmp_path / "half"), logits(tiny_llama, dtype="bfloat16"))


def test_an_encoder_comes_back_too(tiny_llama: Path, tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=600, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    folder = Path(shutil.copytree(tiny_llama, tmp_path / "bert"))
    BertModel(config).save_pretrained(folder)
    save_place(folder, "bert", tmp_path / "mine", no_progress)
    assert torch.equal(logits(tmp_path / "mine", "AutoModel"), logits(folder, "AutoModel"))


def test_a_gguf_is_copied_with_all_its_parts(tmp_path: Path) -> None:
    for part in (1, 2):
        (tmp_path / f"m-0000{part}-of-00002.gguf").write_bytes(b"GGUF" * part)
    assert save_place(tmp_path / "m-00001-of-00002.gguf", "m", tmp_path / "mine", no_progress) == 12
    assert {path.name: path.read_bytes() for path in (tmp_path / "mine").iterdir()} == {
        "m-00001-of-00002.gguf": b"GGUF",
        "m-00002-of-00002.gguf": b"GGUFGGUF",
    }


def test_a_folder_that_holds_something_a_file_and_a_place_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    for target, said in (
        (tmp_path, "is not empty: m.gguf is in it"),
        (file, "is a file"),
        (file / "below" / "it", r"cannot be made: .*m\.gguf is a file"),
    ):
        with pytest.raises(ChatError, match=said):
            save_place(file, "m", target, no_progress)
    (tmp_path / "empty").mkdir()
    save_place(file, "m", tmp_path / "empty", no_progress)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "m.gguf"]


def test_a_disk_that_is_too_full_is_said_with_both_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=50_000_000))
    with pytest.raises(ChatError, match=r"needs 67\.1 MB on the disk, and 50\.0 MB are free there"):
        save_place(file, "m", tmp_path / "mine", no_progress)


def test_a_disk_that_fills_on_the_way_leaves_nothing(tiny_llama: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    class Full:
        def save_pretrained(self, folder: Path) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(ChatError, match="The disk is full"):
        save_module(AutoModelForCausalLM.from_pretrained(tiny_llama), Full(), tmp_path / "mine", no_progress)
    assert not [*tmp_path.iterdir()]
