"""What is beyond the machine or the corpus is refused with the numbers, before a weight or a step is made of it."""

from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.train import history, limits
from chatapp.lab.train.plan import plan
from chatapp.lab.train.training import train
from tests.lab.finetune.taught import quiet
from tests.lab.train.tiny_runs import tiny

FREE = 8_000_000_000


@pytest.fixture(autouse=True)
def eight_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda device: FREE)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"per_device_train_batch_size": 1_000_000}, r"A batch of 1,000,000 rows of 32 tokens needs about .* GB, and 8.0 GB are free"),
        ({"model": {"n_embd": 4096, "n_layer": 4096, "n_head": 2}}, r"n_embd 4096, n_layer 4096 needs 13,\d\d\d,?.* GB while it learns"),
        ({"max_length": 4096, "per_device_train_batch_size": 500}, r"A batch of 500 rows of 4,096 tokens needs .* Take at most \d+\."),
    ],
)
async def test_what_does_not_fit_is_refused_before_the_corpus_is_encoded(asked: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=words):
        limits.refuse_memory(tiny(tmp_path, **asked))


def test_a_plan_of_it_is_refused_before_a_process_begins(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="A batch of 1,000,000 rows"):
        plan(tiny(tmp_path, per_device_train_batch_size=1_000_000), tmp_path)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"per_device_train_batch_size": 5000}, r"A step of 5,000 rows is more than the corpus has, which is \d+ rows of 32 tokens"),
        ({"gradient_accumulation_steps": 1_000_000}, r"A step of 2 × 1,000,000 rows is more than"),
        ({"max_steps": 10**12}, r"That makes 1,000,000,000,000 steps, more than 10,000,000."),
    ],
)
def test_a_run_of_it_fails_with_the_numbers(asked: dict, words: str, tmp_path: Path) -> None:
    history.begin(folder := tmp_path / "run", tiny(tmp_path, **asked))
    with pytest.raises(ChatError, match=words):
        train(folder, quiet)
    assert history.about(folder)["state"] == "failed" and not list(folder.glob("checkpoint-*"))


def test_what_fits_is_not_refused(tmp_path: Path) -> None:
    limits.refuse_memory(tiny(tmp_path))
    limits.refuse_rows(tiny(tmp_path, per_device_train_batch_size=8), 3)
    limits.refuse_steps(10**12, minutes=2)
