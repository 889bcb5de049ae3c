"""Any text through the tokenizer of a model on this machine, from its files alone: the model is not loaded."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.convert import convert_tokenizer
from chatapp.models.files.folder import MOST_TOKENIZER, Folder, opened
from chatapp.models.files.sentence import LONGEST, cut
from chatapp.models.files.sentencepiece import read_pieces
from chatapp.models.files.tokenizer_kinds import KINDS, kind_of
from chatapp.models.hub import no_progress

FORMS = {"bpe": "byte-level BPE", "wordpiece": "WordPiece"}
"""Kinds of the vocabularies that can be of one kind only."""


def cut_by(place: Path, text: str, data_dir: Path) -> dict[str, Any]:
    """{text, tokens, ids, …} or {problem}, with {kind, about} of the tokenizer; both are '' for one of a kind that is unknown here.

    Raises ChatError where there is no tokenizer, or the text is empty or too long.

    The tokenizer of a GGUF is written as a file into `data_dir` first, as loading it does.
    """
    if not text or len(text) > LONGEST:
        raise ChatError(f"Type a text of 1 to {LONGEST:,} characters; this one has {len(text):,}.")
    if place.is_file():
        place = convert_tokenizer(place, data_dir, no_progress)
    folder = opened(place)
    file, form, beside = _file(folder)
    if not file:
        raise ChatError(f"{place.name} has no tokenizer: neither tokenizer.json nor an older vocabulary.", status=404)
    shown = cut(folder.path(file), form, text, str(folder.path(beside)) if beside else "")
    kind = "" if "problem" in shown else kind_of_file(folder, file, form)
    return shown | {"kind": kind, "about": KINDS.get(kind, "")}


def kind_of_file(folder: Folder, file: str, form: str) -> str:
    """Which kind of tokenizer a file holds; one of tokenizer_kinds.KINDS, or ''."""
    stat = folder.path(file).stat()
    return _kind_of(str(folder.root), file, form, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _kind_of(root: str, file: str, form: str, changed: int, size: int) -> str:
    """The largest tokenizer.json known here takes a second to read."""
    if form in FORMS:
        return FORMS[form]
    folder = opened(Path(root))
    if form == "json":
        return kind_of(folder.json(file, most=MOST_TOKENIZER))
    return read_pieces(folder.read(file), file).named


def _file(folder: Folder) -> tuple[str, str, str]:
    """(file, form, what belongs to it); '' where there is none."""
    if folder.has("tokenizer.json"):
        return "tokenizer.json", "json", ""
    if folder.has("vocab.json") and folder.has("merges.txt"):
        return "vocab.json", "bpe", "merges.txt"
    if folder.has("vocab.txt"):
        return "vocab.txt", "wordpiece", ""
    named = (name for name in ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model") if folder.has(name))
    return next(((name, "sentencepiece", "") for name in named), ("", "", ""))
