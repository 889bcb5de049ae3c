"""--train and --bits: ratios of what runs side by side, and bits per byte that a bare loop finds, too."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatapp.bench import bits, train
from chatapp.errors import ChatError
from chatapp.settings import Settings
from tests.lab.train.tiny_runs import text, tiny


def test_a_step_is_measured_beside_a_bare_loops(tmp_path: Path) -> None:
    found = train.steps_beside_bare(tiny(tmp_path), 2)
    assert set(found) == {"step", "step_processor"}
    assert all(len(ratios) == 2 and min(ratios) > 0 for ratios in found.values())


@pytest.mark.slow
def test_a_run_is_measured_to_its_end(tmp_path: Path) -> None:
    found = train.taught(tiny(tmp_path))
    assert found["step"] == 12 and found["watching"] > 0 and found["validation"] < found["uniform"]
    assert "12 steps" in train.in_words(found)


def test_bits_per_byte_are_those_of_a_bare_loop(tiny_gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (path := tmp_path / "a.txt").write_text(text(60))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_gpt2).eval(), AutoTokenizer.from_pretrained(tiny_gpt2)
    ids, window = tokenizer(path.read_text())["input_ids"], bits.WINDOW
    total, done = 0.0, 1
    for begin in range(0, len(ids), window // 2):
        part = torch.tensor([ids[begin : begin + window]])
        with torch.inference_mode():
            logs = model(part).logits[0].log_softmax(-1)
        for place in range(done - begin, part.shape[1]):
            total -= float(logs[place - 1, part[0, place]])
        done = max(done, begin + part.shape[1])
        if done == len(ids):
            break
    assert len(ids) > window + window // 2
    assert bits.main(Settings(data_dir=tmp_path), str(tiny_gpt2), str(path)) == 0
    wanted = total / math.log(2) / path.stat().st_size
    assert f"{wanted:.4f} bits per byte" in capsys.readouterr().out


def test_what_has_no_bits_is_a_sentence(tiny_gpt2: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(ChatError, match="from two on"):
        bits.measured(tiny_gpt2, bits.text_of(tmp_path / "a.txt"))
    with pytest.raises(ChatError, match="must end in one of"):
        bits.text_of(tmp_path / "a.pdf")
