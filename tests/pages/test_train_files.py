"""A text that is uploaded to be trained on: kept whole or not at all, under a name that leads nowhere else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from chatapp.errors import ChatError
from chatapp.pages import train_files
from chatapp.settings import Settings


async def parts(*given: bytes) -> AsyncIterator[bytes]:
    for part in given:
        yield part


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("speeches.txt", "speeches.txt"),
        ("My Words.CSV", "My-Words.csv"),
        ("../../etc/passwd.txt", "etc-passwd.txt"),
        ("日本語.jsonl", "日本語.jsonl"),
        ("...txt", "corpus.txt"),
        ("/.txt", "corpus.txt"),
        ("x" * 300 + ".txt", "x" * 80 + ".txt"),
    ],
)
def test_a_name_stays_in_the_folder(name: str, kept: str, tmp_path: Path) -> None:
    assert train_files.target(tmp_path, name) == tmp_path / kept


@pytest.mark.parametrize("name", ["", "model.bin", "words", "words.parquet", "words.txt.exe"])
def test_other_kinds_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"\.txt, \.jsonl, \.csv are"):
        train_files.target(tmp_path, name)


async def test_what_is_too_long_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "corpora" / "words.txt"
    await train_files.kept(path, parts(b"one ", b"two"))
    with pytest.raises(ChatError, match="more than 8 bytes"):
        await train_files.kept(path, parts(b"three ", b"four"), most=8)
    assert path.read_bytes() == b"one two" and [file.name for file in path.parent.iterdir()] == ["words.txt"]


async def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "corpora").write_text("a file in the place of the folder")
    with pytest.raises(ChatError, match=r"words\.txt cannot be kept"):
        await train_files.kept(tmp_path / "corpora" / "words.txt", parts(b"one"))


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-for": "10.0.0.1"}])
def test_only_the_person_at_this_machine_may_upload(headers: dict[str, str], tmp_path: Path) -> None:
    app = Starlette(routes=train_files.routes(Settings(data_dir=tmp_path)))
    app.auth, app.cookie_id, app.tokens = None, "none", {}  # as Gradio's app has them
    with TestClient(app) as client:
        answer = client.post("/ui/train-upload?name=words.txt&session=" + "a" * 32, content=b"some words", headers=headers)
    if headers:
        assert answer.status_code == 403 and "own machine only" in answer.json()["error"]["message"] and not list(tmp_path.iterdir())
    else:
        assert Path(answer.json()["path"]).read_bytes() == b"some words"
