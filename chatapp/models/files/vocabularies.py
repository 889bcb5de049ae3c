"""Vocabularies in the forms that came before tokenizer.json, and beside it: vocab.json with merges.txt, vocab.txt, *.model, tiktoken."""

import base64
import binascii
from typing import Any

from chatapp.models.files.explained import Explained, Line, short
from chatapp.models.files.folder import MOST_TEXT, MOST_TOKENIZER, Entry, Folder
from chatapp.models.files.printing import pretty
from chatapp.models.files.sentence import cut
from chatapp.models.files.sentencepiece import read_pieces
from chatapp.models.files.tokenizer_kinds import KINDS

BESIDE = " tokenizer.json holds the same, so newer versions no longer write this file."


def explain_vocab(entry: Entry, folder: Folder, sentence: str) -> Explained:
    """vocab.json: token → id, of byte-level BPE as GPT-2 has it."""
    values = folder.json(entry.name, most=MOST_TOKENIZER)
    words = "The vocabulary: each piece with its id. merges.txt says in which order pieces are joined."
    more: dict[str, Any] = {"tokenizer": "byte-level BPE"} if folder.has("merges.txt") else {}
    if sentence and folder.has("merges.txt") and not folder.has("tokenizer.json"):
        more["sentence"] = cut(folder.path(entry.name), "bpe", sentence, str(folder.path("merges.txt")))
    lines = (Line("entries", f"{len(values):,}", "Pieces that the model knows by a number."),)
    return Explained(entry.name, entry.bytes, "vocabulary", words + _beside(folder), "", lines, pretty(values), more)


def explain_merges(entry: Entry, folder: Folder) -> Explained:
    """merges.txt: a pair a line."""
    rows = [row for row in folder.text(entry.name).splitlines() if row and not row.startswith("#version")]
    words = "The merges of BPE: pairs of pieces in the order in which they are joined, the most frequent of training first."
    shown = tuple(
        Line(f"merge {n}", short(row, 60), "joined " + ("first" if n == 1 else "after that")) for n, row in enumerate(rows[:5], 1)
    )
    lines = (Line("merges", f"{len(rows):,}", "As many pieces of the vocabulary were made so."), *shown)
    return Explained(entry.name, entry.bytes, "merges", words + _beside(folder), "", lines, head(rows))


def explain_vocab_txt(entry: Entry, folder: Folder, sentence: str) -> Explained:
    """vocab.txt: a token a line, its id is the number of the line; BERT's WordPiece."""
    rows = folder.text(entry.name).removesuffix("\n").split("\n")
    goes_on = sum(row.startswith("##") for row in rows)
    words = f"The vocabulary, a piece a line; its id is the number of the line, from 0. {KINDS['WordPiece']}"
    lines = (
        Line("entries", f"{len(rows):,}", "Pieces that the model knows by a number."),
        Line("##…", f"{goes_on:,}", "Pieces that go on with a word."),
    )
    more: dict[str, Any] = {"tokenizer": "WordPiece"}
    if sentence and not folder.has("tokenizer.json"):
        more["sentence"] = cut(folder.path(entry.name), "wordpiece", sentence)
    return Explained(entry.name, entry.bytes, "vocabulary", words + _beside(folder), "", lines, head(rows), more)


def explain_sentencepiece(entry: Entry, folder: Folder, sentence: str) -> Explained:
    """tokenizer.model, spiece.model, sentencepiece.bpe.model. Raises ChatError for what is none."""
    found = read_pieces(folder.read(entry.name), entry.name)
    kind = found.named
    more: dict[str, Any] = {"tokenizer": kind}
    if sentence and not folder.has("tokenizer.json"):
        more["sentence"] = cut(folder.path(entry.name), "sentencepiece", sentence)
    lines = (
        Line("model_type", found.kind or "unknown", KINDS.get(kind, "The kind of tokenizer.")),
        Line("pieces", f"{len(found.pieces):,}", f"The vocabulary, such as {', '.join(repr(p) for p in found.pieces[1000:1005])}."),
        Line("byte pieces", f"{found.bytes:,}", "One for each byte: what the vocabulary lacks is written with them."),
        Line("normalizer", short(found.normalizer) or "none", "What happens to a text before it is cut; ▁ stands for a space."),
    )
    words = f"The tokenizer as SentencePiece wrote it.{_beside(folder)}"
    problem = more.get("sentence", {}).get("problem", "")
    return Explained(entry.name, entry.bytes, "SentencePiece model", words, problem, lines, head(found.pieces), more)


def explain_tiktoken(entry: Entry, folder: Folder) -> Explained:
    """A line is a piece in base64 and its rank, which is its id and its place among the merges."""
    rows = folder.text(entry.name, MOST_TEXT).splitlines()
    try:
        pieces = [base64.b64decode(row.split(" ")[0], validate=True).decode("utf-8", "replace") for row in rows[:4000] if row]
        problem = ""
    except (binascii.Error, ValueError) as error:
        pieces, problem = [], f"It is damaged: a line is no base64 ({error}). Fetch the file again."
    words = "A byte-level BPE vocabulary in tiktoken's form: each piece with its rank, which is its id and the order of the merges."
    lines = (Line("pieces", f"{len(rows):,}", "Pieces that the model knows by a number."),)
    return Explained(entry.name, entry.bytes, "vocabulary", words, problem, lines, head(pieces), {"tokenizer": "byte-level BPE"})


def head(rows: list[str], most: int = 60) -> str:
    """The first lines of a file."""
    shown = [short(row, 120) for row in rows[:most]]
    return "\n".join([*shown, f"… {len(rows) - most:,} more"] if len(rows) > most else shown)


def _beside(folder: Folder) -> str:
    return BESIDE if folder.has("tokenizer.json") else ""
