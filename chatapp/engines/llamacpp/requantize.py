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

from chatapp.errors import ChatError
from chatapp.models.gguf import GgufFile, Tensor, read_gguf

ROOT = Path(__file__).parents[3]
GO_ON = b"\n"


@dataclass(frozen=True)
class Requantization:
    """What is to be done: the file's tensors and `new` stand side by side; where their kinds are the same, the bytes are."""

    gguf: GgufFile
    kind: str
    new: tuple[Tensor, ...]

    @property
    def head(self) -> bytes:
        """All that comes before the data."""
        with self.gguf.path.open("rb") as file:
            values = _named(file.read(self.gguf.header_bytes), self.kind)
        table = values + b"".join(entry.packed() for entry in self.new)
        return table.ljust(_aligned(len(table), self.gguf.alignment), b"\0")

    @property
    def size(self) -> int:
        """Bytes of the file to come."""
        return len(self.head) + self.new[-1].offset + _aligned(self.new[-1].nbytes, self.gguf.alignment)


def plan(gguf: GgufFile, kind: str) -> Requantization:
    """`kind` is a name of GGML's, such as Q8_0."""
    from gguf import GGMLQuantizationType

    common, number = GGMLQuantizationType[gguf.kind].value, GGMLQuantizationType[kind].value
    changed = [replace(tensor, kind=number if tensor.kind == common else tensor.kind) for tensor in gguf.tensors]
    return Requantization(gguf, kind, tuple(_placed(changed, gguf.alignment)))


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
        for before, after in zip(todo.gguf.tensors, todo.new, strict=True):
            data = _converted(old, todo.gguf.data_start, before, after)
            new.write(data.ljust(_aligned(len(data), todo.gguf.alignment), b"\0"))
            done += len(data)
            yield done / total
        new.flush()
        os.fsync(new.fileno())


def _converted(file: BinaryIO, start: int, before: Tensor, after: Tensor) -> bytes:
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


def _placed(entries: list[Tensor], alignment: int) -> Iterator[Tensor]:
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
