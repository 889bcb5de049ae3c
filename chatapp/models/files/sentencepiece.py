"""A SentencePiece file (tokenizer.model, spiece.model) read without its library: kind, size, settings.

Format: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto, as protobuf writes it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from chatapp.errors import ChatError

KINDS = {1: "Unigram", 2: "BPE", 3: "WordLevel", 4: "characters"}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MOST_PIECES = 2_000_000


@dataclass
class Pieces:
    """`kind` of the algorithm; `pieces` the vocabulary, `bytes` of them stand for one byte; `normalizer` by its name."""

    kind: str = ""
    pieces: list[str] = field(default_factory=list)
    bytes: int = 0
    normalizer: str = ""
    byte_fallback: bool = False

    @property
    def named(self) -> str:
        """As tokenizer_kinds.KINDS names it."""
        return "BPE with byte fallback" if self.kind == "BPE" and self.byte_fallback else self.kind


def read_pieces(data: bytes, name: str) -> Pieces:
    """Raises ChatError for what is no SentencePiece model."""
    found = Pieces()
    try:
        for number, value in _fields(data):
            if number == 1 and isinstance(value, bytes) and len(found.pieces) < MOST_PIECES:
                _piece(value, found)
            elif number == 2 and isinstance(value, bytes):
                spec = dict(_fields(value))
                found.kind, found.byte_fallback = KINDS.get(int(spec.get(3, 1)), ""), bool(spec.get(35, 0))
            elif number == 3 and isinstance(value, bytes):
                found.normalizer = bytes(dict(_fields(value)).get(1, b"")).decode("utf-8", "replace")
    except (IndexError, ValueError, TypeError) as error:
        raise ChatError(f"{name} is no SentencePiece model, or is damaged ({error}). Fetch the file again.") from error
    if not found.pieces:
        raise ChatError(f"{name} is no SentencePiece model: it holds no pieces.")
    return found


def _piece(data: bytes, found: Pieces) -> None:
    values = dict(_fields(data))
    found.pieces.append(bytes(values.get(1, b"")).decode("utf-8", "replace"))
    found.bytes += values.get(3) == 6


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of each field of a message; those of a fixed width are skipped."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif kind == BYTES:
            length, at = _varint(data, at)
            if length > len(data) - at:
                raise ValueError(f"a field of {length:,} bytes goes beyond its end")
            yield number, data[at : at + length]
            at += length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"a field of kind {kind}, which nothing writes")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        value |= (byte & 127) << shift
        at += 1
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 10 bytes")
