"""A GGUF file → the same with its weights in another number format; names, vocabulary and template stay byte for byte.

Only weights of the format that most have change; norms and a finer table of words stay. `requantized` has a child process of the lowest
priority do it (numpy, by package gguf; no torch), which asks after each tensor whether it may go on: so it can wait while the processor
is needed, and it ends when whoever started it does.
"""

import math
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from chatapp.engines.gguf_file import GgufFile, read_gguf
from chatapp.errors import ChatError

ROOT = Path(__file__).parents[3]
GO_ON = b"\n"


@dataclass(frozen=True)
class TensorEntry:
    """An entry of a tensor table. `shape` begins with the length of a row; `kind` is GGML's number of the format; `offset` in the data."""

    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int = 0

    @property
    def nbytes(self) -> int:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(self.kind)]
        return math.prod(self.shape) // block * size

    def packed(self) -> bytes:
        """As it stands in a file."""
        sizes = struct.pack(f"<I{len(self.shape)}Q", len(self.shape), *self.shape)
        return struct.pack("<Q", len(self.name)) + self.name + sizes + struct.pack("<IQ", self.kind, self.offset)


@dataclass(frozen=True)
class Requantization:
    """What is to be done: `old` and `new` entries stand side by side; where their kinds are the same, the bytes are."""

    gguf: GgufFile
    kind: str
    old: tuple[TensorEntry, ...]
    new: tuple[TensorEntry, ...]
    old_start: int
    alignment: int

    @property
    def head(self) -> bytes:
        """All that comes before the data."""
        with self.gguf.path.open("rb") as file:
            values = _named(file.read(self.gguf.header_bytes), self.kind)
        table = values + b"".join(entry.packed() for entry in self.new)
        return table.ljust(_aligned(len(table), self.alignment), b"\0")

    @property
    def size(self) -> int:
        """Bytes of the file to come."""
        return len(self.head) + self.new[-1].offset + _aligned(self.new[-1].nbytes, self.alignment)


def plan(gguf: GgufFile, kind: str) -> Requantization:
    """`kind` is a name of GGML's, such as Q8_0."""
    from gguf import GGMLQuantizationType

    with gguf.path.open("rb") as file:
        old, end = _table(file, gguf.header_bytes)
    alignment = gguf.values.get("general.alignment", 32)
    weights: dict[int, int] = {}
    for entry in old:
        weights[entry.kind] = weights.get(entry.kind, 0) + math.prod(entry.shape)
    common, number = max(weights, key=weights.__getitem__), GGMLQuantizationType[kind].value
    changed = [replace(entry, kind=number if entry.kind == common else entry.kind) for entry in old]
    return Requantization(gguf, kind, old, tuple(_placed(changed, alignment)), _aligned(end, alignment), alignment)


def requantized(gguf: GgufFile, target: Path, kind: str) -> Iterator[float]:
    """Write `target` in a child process; yields the share that is done after each tensor, and the child goes on when asked for the next.

    Closing this, or the end of this process, ends the child. Raises ChatError with its last words when it fails.
    """
    command = [sys.executable, "-P", "-m", __name__, str(gguf.path), str(target), kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, process_group=0, **pipes) as child:
        try:
            for line in child.stdout:
                yield float(line)
                with suppress(BrokenPipeError):  # it has ended, which its silence says as well
                    child.stdin.write(GO_ON)
                    child.stdin.flush()
            words = child.stderr.read().decode(errors="replace").strip().splitlines()
            if child.wait():
                raise ChatError(f"{gguf.path.name} could not be written as {kind}: {(words or [f'exit code {child.returncode}'])[-1]}")
        finally:
            child.kill()


def write(todo: Requantization, target: Path) -> Iterator[float]:
    """Write `target` and put it on the disk, a tensor at a time; yields the share that is done."""
    total = sum(entry.nbytes for entry in todo.new)
    with todo.gguf.path.open("rb") as old, target.open("xb") as new:
        new.write(todo.head)
        done = 0
        for before, after in zip(todo.old, todo.new, strict=True):
            data = _converted(old, todo.old_start, before, after)
            new.write(data.ljust(_aligned(len(data), todo.alignment), b"\0"))
            done += len(data)
            yield done / total
        new.flush()
        os.fsync(new.fileno())


def _converted(file: BinaryIO, start: int, before: TensorEntry, after: TensorEntry) -> bytes:
    import numpy as np
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    file.seek(start + before.offset)
    data = file.read(before.nbytes)
    if before.kind == after.kind:
        return data
    rows = np.frombuffer(data, np.uint8).reshape(math.prod(before.shape[1:]), -1)
    weights = dequantize(rows, GGMLQuantizationType(before.kind))
    return quantize(weights, GGMLQuantizationType(after.kind)).tobytes()


def _table(file: BinaryIO, at: int) -> tuple[tuple[TensorEntry, ...], int]:
    """The tensor table, which begins at `at`, and where it ends."""
    file.seek(8)
    (count,) = struct.unpack("<Q", file.read(8))
    file.seek(at)
    return tuple(_entry(file) for _ in range(count)), file.tell()


def _entry(file: BinaryIO) -> TensorEntry:
    (length,) = struct.unpack("<Q", file.read(8))
    name = file.read(length)
    (dimensions,) = struct.unpack("<I", file.read(4))
    shape = struct.unpack(f"<{dimensions}Q", file.read(8 * dimensions))
    return TensorEntry(name, shape, *struct.unpack("<IQ", file.read(12)))


def _placed(entries: list[TensorEntry], alignment: int) -> Iterator[TensorEntry]:
    offset = 0
    for entry in entries:
        yield replace(entry, offset=offset)
        offset += _aligned(entry.nbytes, alignment)


def _named(values: bytes, kind: str) -> bytes:
    """The key-values with general.file_type, a number for people, saying `kind`."""
    from gguf import LlamaFileType

    before, key, after = values.partition(b"general.file_type" + struct.pack("<I", 4))
    return before + key + struct.pack("<I", LlamaFileType[f"MOSTLY_{kind}"]) + after[4:] if key else values


def _aligned(size: int, alignment: int) -> int:
    return math.ceil(size / alignment) * alignment


def behind_everything() -> None:
    """Take the processor only where nobody else wants it."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def main(source: str, target: str, kind: str) -> None:
    behind_everything()
    for share in write(plan(read_gguf(Path(source)), kind), Path(target)):
        print(share, flush=True)
        if sys.stdin.buffer.read(1) != GO_ON:
            sys.exit("whoever asked for it has ended")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as error:
        sys.exit(str(error))
