"""From recorded ids to what a person can read: the exact bytes of every token, its characters, its role. Nothing is tokenized again."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import regex  # \X, which re lacks; comes with transformers

from chatapp.errors import ChatError
from chatapp.models.gguf import byte_alphabet
from chatapp.turn import Span, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")
SENTENCEPIECE_SPACE = "▁"


@dataclass(frozen=True)
class Piece:
    """One token in its text.

    id, token   the number and the vocabulary's own spelling of it
    raw         its bytes; several tokens may share one character
    start, end  the characters start..end of the text it touches
    partial     True where it holds only a part of a character's bytes
    special     True for control tokens that stand for themselves
    """

    id: int
    token: str
    raw: bytes
    start: int
    end: int
    partial: bool
    special: bool


def token_bytes(tokenizer: "PreTrainedTokenizerBase", token_id: int) -> bytes:
    """The exact bytes one token stands for: byte-level BPE, SentencePiece with byte fallback, and added tokens as they are written."""
    added = tokenizer.added_tokens_decoder.get(token_id)
    if added is not None:
        return added.content.encode()
    return bytes_of(tokenizer.convert_ids_to_tokens(token_id) or "")


def bytes_of(token: str) -> bytes:
    """What a vocabulary's spelling of a token stands for."""
    if fallback := BYTE_FALLBACK.fullmatch(token):
        return bytes([int(fallback[1], 16)])
    alphabet = byte_alphabet()
    if SENTENCEPIECE_SPACE not in token and all(c in alphabet for c in token):
        return bytes(alphabet[c] for c in token)
    return token.replace(SENTENCEPIECE_SPACE, " ").encode()


def pieces(text: str, ids: Sequence[int], tokenizer: "PreTrainedTokenizerBase") -> list[Piece]:
    """Lay recorded ids over the text they came from or decode to.

    Exact by a walk over the bytes where the tokens' bytes spell the text (byte-level BPE). A tokenizer that adds or drops spaces
    (SentencePiece) is followed with that tolerance; a token that cannot be found in the text gets an empty range where it stands.
    """
    special = set(tokenizer.all_special_ids)
    given = ((i, tokenizer.convert_ids_to_tokens(i) or "", token_bytes(tokenizer, i), i in special) for i in ids)
    return lay(text, given)


def lay(text: str, given: Iterable[tuple[int, str, bytes, bool]]) -> list[Piece]:
    """As `pieces`, of (id, spelling, bytes, special)."""
    raw = text.encode()
    first_byte = character_starts(text)
    character_at = [k for k, c in enumerate(text) for _ in c.encode()]
    out, at = [], 0
    for token_id, token, own, special in given:
        start, stop = locate(raw, own, at)
        a = character_at[start] if start < len(raw) else len(text)
        b = character_at[stop - 1] + 1 if stop > start else a
        partial = stop > start and (start not in first_byte or stop not in first_byte)
        out.append(Piece(token_id, token, own, a, b, partial, special))
        at = stop
    return out


def overlapping(spans: Sequence[tuple[int, int]]) -> set[int]:
    """Which of the tokens that stand at these characters hold a part of one only: those that share it with the token beside."""
    return {k for n in range(1, len(spans)) if spans[n][0] < min(spans[n - 1][1], spans[n][1]) for k in (n - 1, n)}


def character_starts(text: str) -> set[int]:
    """The byte offsets at which a character of `text` begins, and its end."""
    starts, at = {0}, 0
    for character in text:
        at += len(character.encode())
        starts.add(at)
    return starts


def locate(raw: bytes, own: bytes, at: int) -> tuple[int, int]:
    """Byte range of one token at or just after `at`: as it is, without its leading space, or after spaces the tokenizer swallowed."""
    if raw.startswith(own, at):
        return at, at + len(own)
    bare = own.lstrip(b" ")
    if raw.startswith(bare, at):
        return at, at + len(bare)
    after = at
    while raw[after : after + 1] in (b" ", b"\n"):
        after += 1
    if bare and raw.startswith(bare, after):
        return after, after + len(bare)
    return at, at


def cells(found: Iterable[Piece], text: str = "") -> list[list[int]]:
    """Indexes of pieces grouped into cells of whole graphemes: an emoji split over tokens, also one joined of several, is one cell.

    Without `text` cells end at characters.
    """
    inside = inside_graphemes(text)
    out: list[list[int]] = []
    end = -1
    for index, piece in enumerate(found):
        if out and ((piece.start < end and piece.partial) or (piece.start in inside and piece.end > piece.start)):
            out[-1].append(index)
        else:
            out.append([index])
        end = max(end, piece.end)
    return out


def inside_graphemes(text: str) -> frozenset[int]:
    """Offsets at which what a reader takes for one character (a family emoji, a letter with its accent) is not yet over."""
    return frozenset(k for found in regex.finditer(r"\X", text) for k in range(found.start() + 1, found.end()))


def words_of(found: Sequence[Piece], grouped: Iterable[Sequence[int]], text: str) -> list[str]:
    """The characters of every cell. Cut here: a browser counts an emoji's characters otherwise."""
    return [text[found[cell[0]].start : max(found[i].end for i in cell)] for cell in grouped]


def laid(text: str, found: Sequence[Piece], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows, cells and the cells' words, as every view of tokens sends them."""
    grouped = cells(found, text)
    return {"rows": rows, "cells": grouped, "words": words_of(found, grouped, text)}


def role_of(span_list: Sequence[Span], start: int, end: int) -> Span | None:
    """The span of the rendered prompt that characters start..end lie in (the first one they touch)."""
    for span in span_list:
        if start < span.end and (end > span.start or start == end):
            return span
    return None


def prompt_view(turn: Turn, tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """Everything the prompt page shows, as plain data: one row a token with role, kind, bytes, characters and its attention-mask bit."""
    text = turn.prompt_text + turn.prefix_text if turn.prefix_tokens else turn.prompt_text
    found = pieces(text, turn.prompt_ids, tokenizer)
    given = len(found) - turn.prefix_tokens
    return {
        "text": text,
        "tokens": len(found),
        "dropped_messages": turn.dropped_messages,
        "escaped_special_tokens": list(turn.escaped_special_tokens),
    } | laid(text, found, [row(piece, text, "prefill" if n >= given else None, turn.spans) for n, piece in enumerate(found)])


def row(piece: Piece, text: str, kind: str | None, spans: Sequence[Span]) -> dict[str, Any]:
    """One token as plain values. `mask` is 1: a single prompt is never padded."""
    span = role_of(spans, piece.start, piece.end)
    kind = kind or ("special" if piece.special else span.kind if span else "template")
    return {
        "id": piece.id,
        "token": piece.token,
        "bytes": piece.raw.hex(" "),
        "text": text[piece.start : piece.end],
        "start": piece.start,
        "end": piece.end,
        "partial": piece.partial,
        "kind": kind,
        "role": "assistant" if kind == "prefill" else span.role if span else None,
        "message": span.message if span else None,
        "mask": 1,
    }


def encoded(text: str, tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """Any pasted text through a tokenizer: its rows, and whether decoding gives the text back."""
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    found = pieces(text, ids, tokenizer)
    decoded = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    return {
        "text": text,
        "tokens": len(ids),
        "characters": len(text),
        "bytes": len(text.encode()),
        "round_trip": decoded == text,
    } | laid(text, found, [row(piece, text, "special" if piece.special else "content", ()) for piece in found])


def reply_view(turn: Turn, tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """The reply's tokens as rows and cells, laid over the text they decode to, special tokens written out."""
    text = tokenizer.decode(turn.reply_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    found = pieces(text, turn.reply_ids, tokenizer)
    return laid(text, found, [row(piece, text, None, ()) for piece in found])


def with_texts(entries: list[dict[str, Any]], tokenizer: "PreTrainedTokenizerBase") -> list[dict[str, Any]]:
    """Add its text to every candidate: (id, p) → (id, p, text)."""
    return [entry | {"top": [(i, p, tokenizer.decode([i])) for i, p in entry["top"]]} for entry in entries]


def refuse_without_ids(turn: Turn) -> None:
    """Raises ChatError for a reply whose tokens were not recorded."""
    if not turn.reply_ids or any(i is None for i in turn.reply_ids):
        raise ChatError("This reply has no recorded tokens: nothing was generated, or the engine gives text only.")
    if not turn.prompt_ids:
        raise ChatError("This reply has no recorded prompt tokens: it came with an import, or the engine gives text only.")
