"""A GGUF in another number format: the same but for its weights; made by a child that waits and dies, and never half there."""

import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFReader, GGUFWriter
from gguf.quants import dequantize, quantize

from chatapp.engines.llamacpp.better_kind import better_kind
from chatapp.engines.llamacpp.marked_copy import remaking, streamable
from chatapp.engines.llamacpp.requantize import plan, requantized
from chatapp.errors import ChatError
from chatapp.models.gguf import CONTROL, Tensor, read_gguf
from chatapp.models.sources import Source

ROOT = Path(__file__).parents[2]
MAKER = """
import sys
from pathlib import Path
from chatapp.engines.llamacpp.marked_copy import remaking
from chatapp.models.gguf import read_gguf
for share in remaking(read_gguf(Path(sys.argv[1])), Path(sys.argv[2]), "Q8_0"):
    print(share, flush=True)
    sys.stdin.readline()
print("done", flush=True)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A Q4_1 file with two matrices, a finer table of words and a norm; the second of its tokens is no whole character."""
    path, draw = tmp_path / "m.gguf", np.random.default_rng(1)
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list([b"<unk>", b"<0xE4>", "héllo".encode()])
    writer.add_token_types([2, 6, 1])
    writer.add_chat_template("{{ messages }}")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)
    for name, kind in (("token_embd.weight", Kind.Q8_0), ("blk.0.a.weight", Kind.Q4_1), ("blk.0.b.weight", Kind.Q4_1)):
        weights = draw.normal(size=(40, 64)).astype(np.float32)
        writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)
    writer.add_tensor("blk.0.norm.weight", draw.normal(size=65).astype(np.float32))
    writer.add_tensor("blk.0.c.weight", quantize(draw.normal(size=(33, 96)).astype(np.float32), Kind.Q4_1), raw_dtype=Kind.Q4_1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("kind", "format", "amx", "better"),
    [
        ("embedded", "Q4_1", False, "Q8_0"),
        ("embedded", "Q4_1", True, ""),
        ("embedded", "Q8_0", False, ""),
        ("gguf", "Q4_1", False, ""),
        ("repo_gguf", "Q4_1", False, ""),
    ],
)
def test_only_the_embedded_model_is_remade_and_only_where_it_gains(kind, format: str, amx: bool, better: str) -> None:
    assert better_kind(Source("m", kind), format, amx=amx) == better


def exhaust(steps) -> list[float]:
    return list(steps)


def folders(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "data" / "llamacpp").iterdir() if path.is_dir())


def silent(what: str, share: float | None) -> None:
    """Nobody watches."""


def maker(source: Path, tmp_path: Path) -> subprocess.Popen:
    """Another app that makes the copy: a line for each tensor, the next one after a line that it reads."""
    command = [sys.executable, "-c", MAKER, str(source), str(tmp_path / "data")]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_weights_agree_within_a_step_and_all_else_is_the_same(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "q8.gguf"
    shares = exhaust(requantized(read_gguf(source), target, "Q8_0"))
    assert len(shares) == 5 and shares == sorted(shares) and shares[-1] == 1.0
    assert target.stat().st_size == plan(read_gguf(source), "Q8_0").size
    old, new = GGUFReader(source), GGUFReader(target)
    changed = {name for name in old.fields if old.fields[name].contents() != new.fields[name].contents()}
    assert list(old.fields) == list(new.fields) and changed == {"general.file_type"}
    assert new.fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_Q8_0
    for before, after in zip(old.tensors, new.tensors, strict=True):
        assert (before.name, list(before.shape)) == (after.name, list(after.shape))
        if before.tensor_type != Kind.Q4_1:
            assert after.tensor_type == before.tensor_type and after.data.tobytes() == before.data.tobytes()
            continue
        was, now = dequantize(before.data, before.tensor_type), dequantize(after.data, after.tensor_type)
        step = np.abs(was.reshape(-1, 32)).max(axis=1, keepdims=True) / 127
        assert after.tensor_type == Kind.Q8_0
        assert (np.abs(was - now).reshape(-1, 32) <= 0.51 * step + 1e-3 * step * 127).all()  # the scale is a float16


@pytest.mark.parametrize("kind", ["Q5_1", "Q5_0", "Q4_0", "BF16", "F16"])
def test_every_format_that_is_compared_can_be_written_and_read(kind: str, source: Path, tmp_path: Path) -> None:
    exhaust(requantized(read_gguf(source), tmp_path / "new.gguf", kind))
    assert [t.tensor_type for t in GGUFReader(tmp_path / "new.gguf").tensors if t.name.endswith("a.weight")] == [Kind[kind]]


def test_a_remade_copy_is_marked_and_served_from_then_on_and_the_shipped_one_is_removed(source: Path, tmp_path: Path) -> None:
    file, data = read_gguf(source), tmp_path / "data"
    first = streamable(file, data, silent, "Q8_0")
    assert (first.kind, read_gguf(first.path).types) == ("", [2, CONTROL, 1])
    assert exhaust(remaking(file, data, "Q8_0"))[-1] == 1.0
    assert first.path.exists(), "it is served"
    first.close()
    second = streamable(file, data, silent, "Q8_0")
    second.close()
    assert (second.kind, read_gguf(second.path).types) == ("Q8_0", [2, CONTROL, 1])
    assert [folder.endswith("-Q8_0") for folder in folders(tmp_path)] == [True]
    assert exhaust(remaking(file, data, "Q8_0")) == [], "it is there"


def test_a_remade_copy_goes_with_its_file(source: Path, tmp_path: Path) -> None:
    exhaust(remaking(read_gguf(source), tmp_path / "data", "Q8_0"))
    other = Path(shutil.copy(source, tmp_path / "other.gguf"))
    with other.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"anothers")
    source.unlink()
    streamable(read_gguf(other), tmp_path / "data", silent, "Q8_0").close()
    assert len(folders(tmp_path)) == 1 and not folders(tmp_path)[0].endswith("-Q8_0")


def test_what_is_closed_half_way_leaves_nothing_and_its_child_is_gone(source: Path, tmp_path: Path) -> None:
    others = psutil.Process().children()  # of other tests: what stays for the whole run
    steps = remaking(read_gguf(source), tmp_path / "data", "Q8_0")
    next(steps)
    [child] = set(psutil.Process().children()) - set(others)
    if sys.platform == "linux":
        assert child.nice() == 19
    steps.close()
    assert folders(tmp_path) == [] and not child.is_running()


def test_a_kill_in_the_middle_ends_the_child_and_a_later_start_cleans_up_and_makes_it(source: Path, tmp_path: Path) -> None:
    with maker(source, tmp_path) as app:
        app.stdout.readline()
        [child] = psutil.Process(app.pid).children()
        app.kill()
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() and [folder.endswith("-Q8_0.tmp") for folder in folders(tmp_path)] == [True]
    copy = streamable(read_gguf(source), tmp_path / "data", silent, "Q8_0")
    assert copy.kind == "" and not any(folder.endswith(".tmp") for folder in folders(tmp_path))
    copy.close()
    assert exhaust(remaking(read_gguf(source), tmp_path / "data", "Q8_0"))[-1] == 1.0


def test_what_was_left_by_a_kill_is_no_hindrance_without_a_start(source: Path, tmp_path: Path) -> None:
    with maker(source, tmp_path) as app:
        app.stdout.readline()
        app.kill()
    until = time.monotonic() + 10
    while not (shares := exhaust(remaking(read_gguf(source), tmp_path / "data", "Q8_0"))) and time.monotonic() < until:
        time.sleep(0.1)
    assert shares[-1] == 1.0


def test_a_second_app_starts_meanwhile_and_does_not_make_it_too(source: Path, tmp_path: Path) -> None:
    with maker(source, tmp_path) as app:
        app.stdout.readline()
        copy = streamable(read_gguf(source), tmp_path / "data", silent, "Q8_0")
        assert copy.kind == "" and exhaust(remaking(read_gguf(source), tmp_path / "data", "Q8_0")) == []
        copy.close()
        app.stdin.write("\n" * 9)
        app.stdin.flush()
        assert app.stdout.read().endswith("done\n")
    copy = streamable(read_gguf(source), tmp_path / "data", silent, "Q8_0")
    assert copy.kind == "Q8_0"
    copy.close()


def test_a_disk_too_full_is_told_with_both_sizes_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    head = read_gguf(source).header_bytes
    giant = Tensor(b"blk.0.a.weight", (32, free // 20), Kind.Q4_1)
    source.write_bytes(b"GGUF" + struct.pack("<IQ", 3, 1) + source.read_bytes()[16:head] + giant.packed())
    os.truncate(source, head + giant.nbytes + 1000)  # sparse: it takes no room itself
    with pytest.raises(ChatError, match=r"m\.gguf needs [\d,]+ MB in .*llamacpp for a copy, and [\d,]+ MB are free"):
        exhaust(remaking(read_gguf(source), tmp_path / "data", "Q8_0"))
    assert folders(tmp_path) == []


def test_a_child_that_fails_is_a_sentence(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"m\.gguf could not be written as Q8_0: .*No such file or directory"):
        exhaust(requantized(read_gguf(source), tmp_path / "nowhere" / "new.gguf", "Q8_0"))
