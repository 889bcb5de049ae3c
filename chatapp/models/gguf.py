"""A GGUF file's header: its values, its vocabulary and its table of tensors, read in a fraction of a second and without the weights.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The reader of package gguf needs seconds, because it makes an array
for every string of the vocabulary.
"""

import math
import mmap
import re
import struct
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError

SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
CONTROL, USER_DEFINED, BYTE = 3, 4, 6  # llama.cpp's llama_token_type
TOKENS, TYPES, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"

LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$", re.IGNORECASE)
"""The name of a file of several that is not the first."""

MOST_VALUES, MOST_TENSORS, MOST_TOKENS = 10_000, 500_000, 4_000_000
"""No model has more; of a file that announces more, reading its header might not end."""

LONGEST_LIST = 1024
"""Numbers of an array that are kept: one for each layer, but not the scores of a vocabulary."""

ATTENTION = ("attention.head_count", "attention.head_count_kv", "attention.key_length", "attention.value_length")
SIZES = ("context_length", "block_count", "embedding_length", *ATTENTION)
"""Values named after the architecture; those of attention may be 0, where there is none, and have one number for each layer."""


@dataclass(frozen=True)
class Tensor:
    """One entry of the tensor table. `shape` begins with the length of a row; `kind` is GGML's number of a format; `offset` in the data."""

    name: bytes
    shape: tuple[int, ...]
    kind: int
    offset: int = 0

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(self.kind)]
        return self.size // block * size

    def packed(self) -> bytes:
        """As it stands in a file."""
        sizes = struct.pack(f"<I{len(self.shape)}Q", len(self.shape), *self.shape)
        return struct.pack("<Q", len(self.name)) + self.name + sizes + struct.pack("<IQ", self.kind, self.offset)


@dataclass
class GgufFile:
    """What stands before the weights of a GGUF file, or of the first part of a split one.

    values    key-values but for the vocabulary; arrays of numbers as lists, up to LONGEST_LIST, others are left out
    tokens    the vocabulary's strings; `types_at` is where their int32 `types` begin in the file
    merges_at   where the list of merges begins, for merges(); 0 where there is none
    header_bytes  where the key-values end; `data_start` where the weights begin, each at a multiple of `alignment`
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    tokens: list[bytes] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    types_at: int = 0
    merges_at: int = 0
    header_bytes: int = 0
    tensors: list[Tensor] = field(default_factory=list)
    data_start: int = 0

    @property
    def alignment(self) -> int:
        return self.values.get("general.alignment", 32)

    def of_arch(self, name: str, default: Any = None) -> Any:
        """A value that is named after the architecture, such as context_length."""
        return self.values.get(f"{self.values.get('general.architecture')}.{name}", default)

    @property
    def context(self) -> int:
        """Tokens the model was trained on; 2048 where the file does not say."""
        return int(self.of_arch("context_length", 2048))

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of KV cache for one token, keys and values in 16 bits. An upper bound where layers share or skip a cache."""
        heads = self.of_arch("attention.head_count", 1)
        kv = self.of_arch("attention.head_count_kv", heads)
        layers = self.of_arch("block_count", 1)
        most = max(heads, default=0) if isinstance(heads, list) else heads
        width = self.of_arch("embedding_length", 0) // most if most else 0  # without attention (Mamba) there is no such cache
        key, value = self.of_arch("attention.key_length", width), self.of_arch("attention.value_length", width)
        return 2 * (key + value) * (sum(kv) if isinstance(kv, list) else kv * layers)

    @property
    def weight_bytes(self) -> int:
        """Of all parts of the file, which are mapped as they are; code for AMX (`make native`) copies most of them in another order."""
        return sum(part.stat().st_size for part in parts(self.path))

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

    def bytes(self) -> bytes:
        length = self.scalar("<Q")
        self.skip(length)
        return self.data[self.at - length : self.at]

    def text(self) -> str:
        return self.bytes().decode("utf-8")

    def skip(self, length: int) -> None:
        """Raises ValueError beyond the end: no later read would, of an offset that no C integer holds."""
        if length > len(self.data) - self.at:
            raise ValueError(f"a value of {length:,} bytes goes beyond its end")
        self.at += length

    def numbers(self, kind: int, length: int) -> tuple[Any, ...]:
        start, form = self.at, SCALARS[kind]
        self.skip(length * struct.calcsize(form))
        return struct.unpack_from(f"<{length}{form[1]}", self.data, start)


def read_gguf(path: Path) -> GgufFile:
    """Raises ChatError for a file that is no GGUF, is damaged, or was cut short (with both sizes)."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] != b"GGUF":
                raise ChatError(f"{path.name} is no GGUF file: it does not begin with the letters GGUF.")
            found = GgufFile(path)
            _read(_Cursor(data, 4), found)
            _check_length(found, len(data))
            return found
    except (ValueError, struct.error, IndexError) as error:
        raise ChatError(f"{path.name} is damaged: its GGUF header cannot be read ({error}). Get the file again.") from error
    except OSError as error:
        raise ChatError(f"{path} cannot be read: {error.strerror}.") from error


def _read(cursor: _Cursor, found: GgufFile) -> None:
    version, tensors, values = cursor.scalar("<I"), cursor.scalar("<Q"), cursor.scalar("<Q")
    if version not in (2, 3):
        raise ValueError(f"version {version}, and versions 2 and 3 are known")
    if values > MOST_VALUES or tensors > MOST_TENSORS:
        raise ValueError(f"it announces {values:,} values and {tensors:,} tensors")
    for _ in range(values):
        _read_pair(cursor, found)
    found.header_bytes = cursor.at
    for _ in range(tensors):
        name, dimensions = cursor.bytes(), cursor.scalar("<I")
        shape = tuple(cursor.scalar("<Q") for _ in range(dimensions))
        found.tensors.append(Tensor(name, shape, cursor.scalar("<I"), cursor.scalar("<Q")))
    if cursor.at > len(cursor.data):
        raise ValueError("it goes on beyond the end of the file")
    if not isinstance(found.alignment, int) or found.alignment < 1:
        raise ValueError(f"general.alignment is {str(found.alignment)[:40]}")
    found.data_start = math.ceil(cursor.at / found.alignment) * found.alignment
    _check_sizes(found)


def _read_pair(cursor: _Cursor, found: GgufFile) -> None:
    name, kind = cursor.text(), cursor.scalar("<I")
    if kind == ARRAY:
        _read_array(cursor, found, name)
    elif kind in SCALARS:
        found.values[name] = cursor.scalar(SCALARS[kind])
    elif kind == STRING:
        found.values[name] = cursor.text()
    else:
        raise ValueError(f"value type {kind} is unknown")


def _read_array(cursor: _Cursor, found: GgufFile, name: str) -> None:
    kind, length, at = cursor.scalar("<I"), cursor.scalar("<Q"), cursor.at
    if kind == STRING:
        if length > MOST_TOKENS:
            raise ValueError(f"{name[:40]} announces {length:,} texts")
        texts = [cursor.bytes() for _ in range(length)]
        found.tokens = texts if name == TOKENS else found.tokens
        found.merges_at = at if name == MERGES else found.merges_at
    elif kind not in SCALARS:
        raise ValueError(f"an array holds values of type {kind}; only numbers and texts are known, as in llama.cpp")
    elif name == TYPES:
        found.types, found.types_at = list(cursor.numbers(kind, length)), at
    elif length <= LONGEST_LIST:
        found.values[name] = list(cursor.numbers(kind, length))
    else:
        cursor.skip(length * struct.calcsize(SCALARS[kind]))


def _check_sizes(found: GgufFile) -> None:
    """Numbers that are used before llama.cpp or transformers look at the file; more layers than tensors might never be built."""
    for name in SIZES:
        size = found.of_arch(name, 0)
        for number in size if isinstance(size, list) and name in ATTENTION else [size]:
            if not isinstance(number, int) or not 0 <= number < 2**31:
                raise ValueError(f"{name} is {str(number)[:40]}")
    layers = found.of_arch("block_count", 0)
    if found.tensors and layers > len(found.tensors):
        raise ValueError(f"block_count is {layers:,}, and there are {len(found.tensors):,} tensors")


def _check_length(found: GgufFile, length: int) -> None:
    """The last tensor must end inside the file."""
    needed = found.data_start + max((tensor.offset + tensor.nbytes for tensor in found.tensors), default=0)
    if length < needed and found.tensors:
        raise ChatError(f"{found.path.name} was cut short: it has {length:,} bytes of {needed:,}. Get the file again.")


def merges(gguf: GgufFile) -> list[str]:
    """The pairs of pieces that byte-pair encoding joins, the first ones first, as in merges.txt: 'h e'."""
    if not gguf.merges_at:
        return []
    with gguf.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        cursor = _Cursor(data, gguf.merges_at - 8)
        return [cursor.text() for _ in range(cursor.scalar("<Q"))]


def partial_tokens(gguf: GgufFile) -> list[int]:
    """Ids of the tokens whose bytes are not whole UTF-8 characters. Raises ChatError where not every token has its type."""
    if len(gguf.types) != len(gguf.tokens):
        said = f"{gguf.path.name} has {len(gguf.tokens):,} tokens and the types of {len(gguf.types):,}"
        raise ChatError(f"{said}, so it cannot be read. Fetch the file again.", status=422)
    if gguf.values.get("tokenizer.ggml.model") == "gpt2":
        table = byte_alphabet()
        return [n for n, text in enumerate(gguf.tokens) if gguf.types[n] == 1 and not _whole(text.decode(errors="replace"), table)]
    return [n for n, kind in enumerate(gguf.types) if kind == BYTE and gguf.tokens[n] >= b"<0x80>"]


@cache
def byte_alphabet() -> dict[str, int]:
    """GPT-2's printable stand-ins for the 256 bytes, character → byte (openai/gpt-2 encoder.py, bytes_to_unicode)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): b for n, b in enumerate(others)}


def _whole(letters: str, table: dict[str, int]) -> bool:
    try:
        bytes(table.get(letter, 0x20) for letter in letters).decode()
    except UnicodeDecodeError:
        return False
    return True


def parts(first: Path) -> list[Path]:
    """big-00001-of-00003.gguf → its three files; any other file → itself."""
    stem, _, rest = first.name.rpartition("-00001-of-")
    return sorted(first.parent.glob(f"{stem}-*-of-{rest}")) if stem else [first]
