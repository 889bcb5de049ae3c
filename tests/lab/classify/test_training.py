"""A classifier trained here: the split, the run in its child, the card; stopped and failed ones leave nothing behind."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify import lesson, table
from chatapp.lab.classify.card import read_card
from chatapp.lab.classify.head import is_classifier, read
from chatapp.lab.classify.lesson import Lesson
from chatapp.lab.classify.train_child import fit
from chatapp.lab.classify.training import free_name, train
from chatapp.lab.classify.which import here
from chatapp.models.hub import no_progress
from chatapp.settings import Settings
from chatapp.tasks import Cancelled
from tests.lab.classify.conftest import TEXTS

try:
    import resource
except ImportError:  # Windows
    resource = None


def test_it_learns_and_its_folder_says_how_well(tiny_lesson: Lesson, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    found = fit(tiny_lesson, tmp_path / "models" / "tiny", lambda words, share: told.append((words, share)))
    assert found.accuracy == 1 and found.low == pytest.approx(0.839, abs=1e-3) and found.guessing == 0.5
    assert (
        found == read_card(tmp_path / "models/tiny")
        and "**Accuracy on 20 held-out texts: 100.0 %**" in (tmp_path / "models/tiny/README.md").read_text()
    )
    assert any(words.startswith("Step 20 of 20, loss") for words, _ in told) and [share for _, share in told] == sorted(
        share for _, share in told
    )
    classifier = read(tmp_path / "models/tiny", "tiny")
    assert classifier.labels == ("no", "yes") and [max(row) == row[1] for row in classifier.logits([text for text, _ in TEXTS])] == [
        True,
        False,
    ]
    ((model, card),) = here(Settings(data_dir=tmp_path))
    assert model.label == "tiny" and card == found and "100.0 % right on 20 held-out ones" in card.words


def test_a_child_trains_and_its_folder_appears_whole(tiny_lesson: Lesson, tmp_path: Path) -> None:
    words: list[str] = []
    said = train(tiny_lesson, tmp_path / "out", lambda told, share: words.append(told))
    assert said.startswith("Trained here on 80 texts") and is_classifier(tmp_path / "out") and os.listdir(tmp_path) == ["out"]
    assert "Step 1 of 20" in " ".join(words)
    with pytest.raises(ChatError, match="out is there already"):
        train(tiny_lesson, tmp_path / "out", no_progress)


def test_one_that_is_cancelled_leaves_nothing(tiny_lesson: Lesson, tmp_path: Path) -> None:
    def cancel(words: str, share: float | None) -> None:
        if words.startswith("Step"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train(tiny_lesson, tmp_path / "out", cancel)
    assert os.listdir(tmp_path) == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process and its children grows beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(resource is None, reason="Windows sets no limit to files")
@pytest.mark.parametrize(
    ("size", "words"),
    [(100, "out cannot be written: File too large"), (20_000, "The model cannot be written: .*File too large.* Free some space")],
)
def test_a_full_disk_is_a_sentence_and_nothing_stays(tiny_lesson: Lesson, tmp_path: Path, size: int, words: str) -> None:
    with largest_file(size), pytest.raises(ChatError, match=words):
        train(tiny_lesson, tmp_path / "out", no_progress)
    assert os.listdir(tmp_path) == []


def test_an_encoder_that_cannot_be_read_is_a_sentence(tiny_lesson: Lesson, tmp_path: Path) -> None:
    from dataclasses import replace

    with pytest.raises(ChatError, match="tiny was not trained: "):
        fit(replace(tiny_lesson, base=str(tmp_path)), tmp_path / "out", no_progress)


def test_the_split_is_the_same_each_time_and_shares_no_text() -> None:
    pairs = [(f"text {n}", n % 2) for n in range(10_000)]
    train_on, held_out = lesson.split(pairs)
    assert (train_on, held_out) == lesson.split(pairs) and len(train_on) == lesson.MOST_TRAINED and len(held_out) == lesson.MOST_HELD_OUT
    assert not set(train_on) & set(held_out)
    few_train, few_held = lesson.split(pairs[:50])
    assert len(few_train) == 40 and len(few_held) == 10


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("text\nhello\n", r"in\.csv has no column of labels"),
        ("text,label\n" + "hello,a\n" * 20, r"needs two labels or more with 10 texts each in label; it has: a 20"),
        ("text,label\n" + "hello,a\n" * 20 + "you,b\n" * 3, r"it has: a 20, b 3"),
    ],
)
def test_tables_that_teach_nothing_are_refused(rows: str, words: str) -> None:
    with pytest.raises(ChatError, match=words):
        lesson.of_table(table.read("in.csv", rows.encode()), "in.csv")


def test_a_labelled_table_is_a_lesson() -> None:
    rows = "text,label\n" + "".join(f"text {n},{'bad' if n % 3 else 'good'}\n" for n in range(60))
    taught = lesson.of_table(table.read("mine.csv", rows.encode()), "mine.csv")
    assert taught.name == "minilm-mine" and taught.labels == ["bad", "good"] and taught.epochs == 3
    assert len(taught.train) == 48 and len(taught.held_out) == 12
    assert lesson.of_table(table.read("mine.csv", rows.encode()), "../" + "ä b/?" * 99 + ".csv").name.startswith("minilm-")
    assert lesson.of_table(table.read("mine.csv", rows.encode()), "a/.b c?.csv").name == "minilm-b-c"


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    assert free_name(tmp_path, "a") == tmp_path / "a"
    (tmp_path / "a").mkdir()
    (tmp_path / "a-2").mkdir()
    assert free_name(tmp_path, "a") == tmp_path / "a-3"
