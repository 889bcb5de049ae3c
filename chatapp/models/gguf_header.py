"""The header of a GGUF file: its key-values and its table of tensors, read in a fraction of a second and without the weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The reader of package gguf needs seconds, because it makes an array
for every string of the vocabulary.
"""

import math
import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9

ATTENTION = ("attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length")
SIZES = ("context_length", "block_count", "embedding_length", *ATTENTION)
"""Values named after the architecture; those of attention may be 0, where there is none."""


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor table; `kind` is the GGML type number, `offset` counts from the start of the data."""

    name: str
    size: int
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """Key-values (arrays as their length) and the tensor table."""

    values: dict[str, Any]
    tensors: tuple[Tensor, ...]

    @property
    def parameters(self) -> int:
        return sum(t.size for t in self.tensors)

    @property
    def kind(self) -> str:
        """The GGML type that most weights have, by name, such as Q4_1; 'unknown' where there are none, as in the first part of some."""
        from gguf import GGMLQuantizationType

        sums: dict[int, int] = {}
        for tensor in self.tensors:
            sums[tensor.kind] = sums.get(tensor.kind, 0) + tensor.size
        return GGMLQuantizationType(max(sums, key=sums.__getitem__)).name if sums else "unknown"


@dataclass
class _Cursor:
    data: mmap.mmap
    at: int = field(default=0)

    def scalar(self, form: str) -> Any:
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self) -> str:
        length = self.scalar("<Q")
        self.skip(length)
        return self.data[self.at - length : self.at].decode("utf-8")

    def skip(self, length: int) -> None:
        """Raises ValueError beyond the end: no later read would, of an offset that no C integer holds."""
        if length > len(self.data) - self.at:
            raise ValueError(f"a value of {length:,} bytes goes beyond its end")
        self.at += length

    def value(self, kind: int) -> Any:
        """A scalar or a text; of an array the length, its texts are not decoded."""
        if kind in SCALARS:
            return self.scalar(SCALARS[kind])
        if kind == STRING:
            return self.string()
        if kind != ARRAY:
            raise ValueError(f"value type {kind} is unknown")
        element, length = self.scalar("<I"), self.scalar("<Q")
        if element == STRING:
            for _ in range(length):
                self.skip(self.scalar("<Q"))
        elif element in SCALARS:
            self.skip(length * struct.calcsize(SCALARS[element]))
        else:
            raise ValueError(f"an array holds values of type {element}; only numbers and texts are known, as in llama.cpp")
        return length


def read_header(gguf: Path) -> Header:
    """Raises ChatError for a file that is no GGUF, is damaged, or was cut short (with both sizes)."""
    try:
        with gguf.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"GGUF":
                raise ChatError(f"{gguf.name} is no GGUF file: it does not begin with the letters GGUF.")
            header, start = _read(_Cursor(data, 4))
            _check_length(gguf, header, start, len(data))
            return header
    except (ValueError, struct.error, IndexError) as error:
        raise ChatError(f"{gguf.name} is damaged: its GGUF header cannot be read ({error}). Get the file again.") from error
    except OSError as error:
        raise ChatError(f"{gguf} cannot be read: {error.strerror}.") from error


def _read(cursor: _Cursor) -> tuple[Header, int]:
    version, tensors, values = cursor.scalar("<I"), cursor.scalar("<Q"), cursor.scalar("<Q")
    if version not in (2, 3):
        raise ValueError(f"version {version}, and versions 2 and 3 are known")
    found = {}
    for _ in range(values):
        name, kind = cursor.string(), cursor.scalar("<I")
        found[name] = cursor.value(kind)
    table = []
    for _ in range(tensors):
        name, dimensions = cursor.string(), cursor.scalar("<I")
        size = math.prod(cursor.scalar("<Q") for _ in range(dimensions))
        table.append(Tensor(name, size, cursor.scalar("<I"), cursor.scalar("<Q")))
    if cursor.at > len(cursor.data):
        raise ValueError("it goes on beyond the end of the file")
    alignment = found.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"general.alignment is {str(alignment)[:40]}")
    _check_sizes(found, len(table))
    return Header(found, tuple(table)), math.ceil(cursor.at / alignment) * alignment


def _check_sizes(values: dict[str, Any], tensors: int) -> None:
    """Numbers that are used before llama.cpp or transformers look at the file; more layers than tensors might never be built."""
    sizes = {name: values.get(f"{values.get('general.architecture')}.{name}", 0) for name in SIZES}
    for name, size in sizes.items():
        if not isinstance(size, int) or not 0 <= size < 2**31:
            raise ValueError(f"{name} is {str(size)[:40]}")
    if tensors and sizes["block_count"] > tensors:
        raise ValueError(f"block_count is {sizes['block_count']:,}, and there are {tensors:,} tensors")


def _check_length(gguf: Path, header: Header, start: int, length: int) -> None:
    """The last tensor must end inside the file."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    needed = 0
    for tensor in header.tensors:
        block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.kind)]
        needed = max(needed, start + tensor.offset + tensor.size // block * block_bytes)
    if length < needed:
        raise ChatError(f"{gguf.name} was cut short: it has {length:,} bytes of {needed:,}. Get the file again.")
