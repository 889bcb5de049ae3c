"""Any text through the tokenizer of a model on this machine, from its files alone: the model is not loaded."""

from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.convert import convert_tokenizer
from chatapp.models.files.folder import Folder, opened
from chatapp.models.files.sentence import LONGEST, cut
from chatapp.models.hub import no_progress


def cut_by(place: Path, text: str, data_dir: Path) -> dict[str, Any]:
    """{text, tokens, ids, …} or {problem}. Raises ChatError where there is no tokenizer, or the text is empty or too long.

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
    return cut(folder.path(file), form, text, str(folder.path(beside)) if beside else "")


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
