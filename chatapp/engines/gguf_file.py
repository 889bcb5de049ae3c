"""Reads the vocabulary of a GGUF file, and finds the tokens in it whose bytes are not whole characters."""

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from chatapp.errors import ChatError

CONTROL, BYTE = 3, 6  # llama.cpp's llama_token_type
_FORMATS = ("<B", "<b", "<H", "<h", "<I", "<i", "<f", "<?", None, None, "<Q", "<q", "<d")  # by GGUF value type; 8 is text, 9 an array
_TEXT, _ARRAY = 8, 9


@dataclass
class GgufFile:
    """The metadata of a GGUF file, or of the first part of a split one.

    `tokens` are the vocabulary's strings; `types_at` is where its int32 token types begin in the file, `header_bytes` where the metadata
    end.
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    tokens: list[bytes] = field(default_factory=list)
    types: list[int] = field(default_factory=list)
    types_at: int = 0
    header_bytes: int = 0

    def of_arch(self, name: str, default: Any = None) -> Any:
        """A value that is named after the architecture, such as context_length."""
        return self.values.get(f"{self.values.get('general.architecture')}.{name}", default)

    @property
    def context(self) -> int:
        """Tokens the model was trained on; 2048 where the file does not say."""
        return int(self.of_arch("context_length", 2048))

    @property
    def cache_bytes(self) -> int:
        """Bytes of KV cache for one token, keys and values in 16 bits. An upper bound where layers share or skip a cache."""
        heads = self.of_arch("attention.head_count", 1)
        kv = self.of_arch("attention.head_count_kv", heads)
        layers = self.of_arch("block_count", 1)
        most = max(heads, default=0) if isinstance(heads, list) else heads
        width = self.of_arch("embedding_length", 0) // most if most else 0  # without attention (Mamba) there is no such cache
        key, value = self.of_arch("attention.key_length", width), self.of_arch("attention.value_length", width)
        return 2 * (key + value) * (sum(kv) if isinstance(kv, list) else kv * layers)


def read_gguf(path: Path) -> GgufFile:
    """Raises ChatError where the file is no GGUF file or is cut short."""
    found = GgufFile(path)
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise ChatError(f"{path.name} is not a GGUF file: it does not begin with the letters GGUF.")
            _, _, count = struct.unpack("<IQQ", file.read(20))
            for _ in range(count):
                _read_pair(file, found)
            found.header_bytes = file.tell()
    except OSError as error:
        raise ChatError(f"{path.name} could not be read: {error.strerror or error}.") from error
    except struct.error as error:
        size = path.stat().st_size
        raise ChatError(f"{path.name} ends in the middle of its header, after {size:,} bytes. Download it again.") from error
    return found


def _read_pair(file: BinaryIO, found: GgufFile) -> None:
    name, kind = _text(file).decode(), _number(file, "<I")
    if kind != _ARRAY:
        found.values[name] = _text(file).decode(errors="replace") if kind == _TEXT else _number(file, _FORMATS[kind])
        return
    kind, count = _number(file, "<I"), _number(file, "<Q")
    at = file.tell()
    if kind == _TEXT:
        texts = [_text(file) for _ in range(count)]
        if name == "tokenizer.ggml.tokens":
            found.tokens = texts
        return
    items = list(struct.unpack(f"<{count}{_FORMATS[kind][1]}", file.read(count * struct.calcsize(_FORMATS[kind]))))
    if name == "tokenizer.ggml.token_type":
        found.types, found.types_at = items, at
    elif count <= 1024:  # one value for each layer; scores of a vocabulary are not kept
        found.values[name] = items


def _number(file: BinaryIO, form: str) -> Any:
    return struct.unpack(form, file.read(struct.calcsize(form)))[0]


def _text(file: BinaryIO) -> bytes:
    return file.read(_number(file, "<Q"))


def partial_tokens(gguf: GgufFile) -> list[int]:
    """Ids of the tokens whose bytes are not whole UTF-8 characters."""
    if gguf.values.get("tokenizer.ggml.model") == "gpt2":
        table = byte_of_letter()
        return [n for n, text in enumerate(gguf.tokens) if gguf.types[n] == 1 and not _whole(text.decode(errors="replace"), table)]
    return [n for n, kind in enumerate(gguf.types) if kind == BYTE and gguf.tokens[n] >= b"<0x80>"]


def byte_of_letter() -> dict[str, int]:
    """GPT-2's alphabet: the letter that stands for each byte in a byte-level vocabulary, turned round."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(256 + n): b for n, b in enumerate(other)}


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
