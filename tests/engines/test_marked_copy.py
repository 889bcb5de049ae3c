"""The copy of a GGUF file for llama.cpp: one for each content, told while it is made, none left over, and never taken from who runs it."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from chatapp.engines.llamacpp.marked_copy import GgufCopy, streamable
from chatapp.errors import ChatError
from chatapp.models.gguf import CONTROL, read_gguf

ROOT = Path(__file__).parents[2]
TOKENS, TYPES = [b"<unk>", b"<0xE4>", b"hello"], [2, 6, 1]
HELD = """
import sys, time
from pathlib import Path
from chatapp.engines.llamacpp.marked_copy import streamable
from chatapp.models.gguf import read_gguf
copy = streamable(read_gguf(Path(sys.argv[1])), Path(sys.argv[2]), lambda what, share: None)
print(copy.path, flush=True)
sys.stdin.read()
"""


def gguf(path: Path, weights: bytes = b"w" * 100_000, types: list[int] = TYPES) -> Path:
    """A file with a vocabulary of three tokens, the second of which is no whole character."""

    def text(value: bytes) -> bytes:
        return struct.pack("<Q", len(value)) + value

    def pair(name: str, kind: int, value: bytes) -> bytes:
        return text(name.encode()) + struct.pack("<I", kind) + value

    pairs = [
        pair("tokenizer.ggml.model", 8, text(b"llama")),
        pair("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 3) + b"".join(map(text, TOKENS))),
        pair("tokenizer.ggml.token_type", 9, struct.pack("<IQ3i", 5, 3, *types)),
    ]
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs) + weights)
    return path


@pytest.fixture
def told() -> list[tuple[str, float | None]]:
    return []


@pytest.fixture
def copied(tmp_path: Path, told: list, request: pytest.FixtureRequest):
    """What streamable() makes in one data folder, closed at once; it tells `told`."""

    def make(path: Path) -> GgufCopy:
        copy = streamable(read_gguf(path), tmp_path / "data", lambda what, share: told.append((what, share)))
        copy.close()
        return copy

    return make


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data" / "llamacpp").iterdir() if path.is_dir())


def test_a_copy_marks_the_partial_tokens_says_how_far_it_is_and_is_made_once(tmp_path: Path, copied, told) -> None:
    source = gguf(tmp_path / "m.gguf", b"w" * (20 << 20))
    copy = copied(source)
    assert read_gguf(copy.path).types == [2, CONTROL, 1] and read_gguf(source).types == TYPES
    assert copy.path.stat().st_size == source.stat().st_size and copy.path.read_bytes()[-1000:] == b"w" * 1000
    shares = [share for what, share in told if what == "Copying m.gguf for llama.cpp, once"]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] in (0.0, 1.0)  # a file system that clones is done at once
    told.clear()
    assert copied(source).path == copy.path and told == []


def test_a_file_without_partial_tokens_is_served_as_it_is(tmp_path: Path, copied) -> None:
    source = gguf(tmp_path / "m.gguf", types=[2, 1, 1])
    assert copied(source).path == source and not (tmp_path / "data").exists()


def test_a_touched_renamed_or_doubled_file_shares_its_copy(tmp_path: Path, copied) -> None:
    source = gguf(tmp_path / "m.gguf")
    path = copied(source).path
    os.utime(source, (1, 1))
    assert copied(source).path == path
    other = Path(shutil.copy(source, tmp_path / "other.gguf"))
    source.unlink()
    assert copied(other).path == path and len(folders(tmp_path)) == 1


def test_a_replaced_file_leaves_no_old_copy(tmp_path: Path, copied) -> None:
    source = gguf(tmp_path / "m.gguf")
    old = copied(source).path
    new = copied(gguf(source, b"v" * 100_000)).path
    assert new != old and not old.exists() and new.read_bytes().endswith(b"v" * 1000) and len(folders(tmp_path)) == 1
    edited = copied(gguf(source, b"v" * 100_000, [3, 6, 1])).path
    assert read_gguf(edited).types == [3, CONTROL, 1], "a change of the header alone, of the same length"


def test_an_old_copy_stays_while_another_file_has_its_content_and_goes_with_the_last(tmp_path: Path, copied) -> None:
    source = gguf(tmp_path / "m.gguf")
    old = copied(source).path
    twin = Path(shutil.copy(source, tmp_path / "twin.gguf"))
    copied(twin)
    copied(gguf(source, b"v" * 100_000))
    assert old.exists()
    twin.unlink()
    copied(source)
    assert not old.exists() and len(folders(tmp_path)) == 1


def test_what_killed_copies_and_older_versions_left_is_removed(tmp_path: Path, copied) -> None:
    home = tmp_path / "data" / "llamacpp"
    for name in ("0123456789abcdef.tmp", "0123456789abcdef.4711.tmp", "0123456789abcdef"):
        (home / name).mkdir(parents=True)
        (home / name / "m.gguf").write_bytes(b"half")
    copied(gguf(tmp_path / "m.gguf"))
    assert len(folders(tmp_path)) == 1 and "0123456789abcdef" not in folders(tmp_path)


def test_a_copy_that_another_app_runs_stays_until_it_ends(tmp_path: Path, copied) -> None:
    source = gguf(tmp_path / "m.gguf")
    with holder(source, tmp_path) as other:
        old = Path(other.stdout.readline().strip())
        copied(gguf(source, b"v" * 100_000))
        assert old.exists()
        other.kill()
        other.wait()
    copied(source)
    assert not old.exists() and len(folders(tmp_path)) == 1


def test_two_apps_that_start_at_once_share_one_copy(tmp_path: Path) -> None:
    source = gguf(tmp_path / "m.gguf", b"w" * (60 << 20))
    with holder(source, tmp_path) as one, holder(source, tmp_path) as two:
        paths = {app.stdout.readline().strip() for app in (one, two)}
        assert len(paths) == 1 and Path(paths.pop()).stat().st_size == source.stat().st_size
        assert len(folders(tmp_path)) == 1
        for app in (one, two):
            app.stdin.close()
            assert app.wait(timeout=20) == 0


def holder(source: Path, tmp_path: Path) -> subprocess.Popen:
    """Another app: prints its copy's path and holds it until its input ends."""
    command = [sys.executable, "-c", HELD, str(source), str(tmp_path / "data")]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_disk_too_full_is_told_with_both_sizes_before_anything_is_written(tmp_path: Path, copied, told) -> None:
    copied(source := gguf(tmp_path / "m.gguf"))
    if told[-1][1] == 0.0:
        pytest.skip("this file system clones, which takes no space")
    before = folders(tmp_path)
    os.truncate(source, shutil.disk_usage(tmp_path).free + 10**9)  # a hole: takes no space
    with pytest.raises(ChatError, match=r"m\.gguf needs [\d,]+ MB in .*llamacpp for a copy, and [\d,]+ MB are free") as caught:
        copied(source)
    assert "--data-dir" in str(caught.value) and set(folders(tmp_path)) <= set(before)


def test_the_other_parts_of_a_split_model_are_linked_and_linked_again_when_they_moved(tmp_path: Path, copied) -> None:
    (tmp_path / "a").mkdir()
    first = gguf(tmp_path / "a" / "big-00001-of-00002.gguf")
    (tmp_path / "a" / "big-00002-of-00002.gguf").write_bytes(b"second" * 1000)
    path = copied(first).path
    other = path.with_name(path.name.replace("00001-of", "00002-of"))
    assert other.is_symlink() and other.read_bytes().startswith(b"second")
    (tmp_path / "a").rename(tmp_path / "b")
    assert copied(tmp_path / "b" / first.name).path == path and other.read_bytes().startswith(b"second")
    assert json.loads((path.parent / "sources.json").read_text()) == [str(tmp_path / "b" / first.name)]


def test_a_copy_that_is_cancelled_leaves_nothing(tmp_path: Path) -> None:
    def cancel(what: str, share: float | None) -> None:
        if share:
            raise ChatError("Cancelled.")

    source = read_gguf(gguf(tmp_path / "m.gguf", b"w" * (20 << 20)))
    with pytest.raises(ChatError, match="Cancelled"):
        streamable(source, tmp_path / "data", cancel)
    assert folders(tmp_path) == []
