"""The rated sentences: read out of an archive like the real one; what is none, and what pip cannot fetch, are sentences."""

import io
import socket
import tarfile
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify import ratings
from chatapp.models.hub import no_progress
from chatapp.tasks import Cancelled

ROWS = "1\t2.26666666667\tA ''fine'' film\n2\t-0.6\tDull\n3\t0.1\tIt has a plot\n4\t1.5\tDull\nhalf a line\n"


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def test_sentences_are_read_out_of_the_archive_in_it_each_once(tmp_path: Path) -> None:
    file = tmp_path / "source.tar.gz"
    file.write_bytes(packed({ratings.INNER: packed({ratings.SENTENCES: ROWS.encode()})}))
    found = ratings.sentences(file)
    assert found == [("A ''fine'' film", 2.26666666667), ("Dull", 1.5), ("It has a plot", 0.1)]


@pytest.mark.parametrize(
    "data",
    [b"no archive", packed({"other": b""}), packed({ratings.INNER: b"no archive"})],
    ids=["no archive", "other", "no archive within"],  # gzip writes the time into its bytes: two processes would not agree on a name
)
def test_what_is_no_such_archive_is_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "source.tar.gz").write_bytes(data)
    with pytest.raises(ChatError, match=r"source\.tar\.gz does not hold the rated sentences"):
        ratings.sentences(tmp_path / "source.tar.gz")


def test_what_pip_cannot_fetch_is_said_with_the_other_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An index that has nothing; a file with another checksum does not pass for it."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "corpora").mkdir()
    (tmp_path / "corpora" / ratings.FILE).write_bytes(b"another file")
    with pytest.raises(ChatError, match=r"pip could not fetch the rated sentences: .*vaderSentiment.*--train --csv FILE.*corpora"):
        ratings.archive(tmp_path, no_progress)
    assert [path.name for path in (tmp_path / "corpora").iterdir()] == [ratings.FILE]


def test_pip_can_be_cancelled_while_an_index_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.getsockname()[1]}/simple")
        index.settimeout(0)

        def cancel(words: str, share: float | None) -> None:
            """As soon as pip waits for the index."""
            try:
                connections.append(index.accept())
            except BlockingIOError:
                return
            raise Cancelled

        connections: list[object] = []
        with pytest.raises(Cancelled):
            ratings.archive(tmp_path, cancel)
    assert list((tmp_path / "corpora").iterdir()) == []
