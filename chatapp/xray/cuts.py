"""The two plain ways to cut a text, by character and by word, beside which a tokenizer's is seen; and which kind a tokenizer is of."""

import json
import re
from typing import TYPE_CHECKING, Any

from chatapp.models.files.tokenizer_kinds import KINDS, kind_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SHOWN = 300
"""Pieces that are shown; all are counted."""

WORDS = re.compile(r"\w+|[^\w\s]")
CHARACTERS = "One token for each character: a small vocabulary and long sequences; nothing is unknown that is in the alphabet."
WHOLE_WORDS = "One token for each word and mark: short sequences, but every form of every word needs an entry, and a new word has none."


def plain(text: str) -> list[dict[str, Any]]:
    """[{kind, words, pieces, count, distinct}] of both; `distinct` entries a vocabulary would need for this text alone."""
    cuts = {"characters": (list(text), CHARACTERS), "words": (WORDS.findall(text), WHOLE_WORDS)}
    return [
        {"kind": kind, "words": words, "pieces": pieces[:SHOWN], "count": len(pieces), "distinct": len(set(pieces))}
        for kind, (pieces, words) in cuts.items()
    ]


def kind(tokenizer: "PreTrainedTokenizerBase") -> dict[str, str]:
    """{name, words} of the kind of tokenizer; '' for one without the library tokenizers, or of a kind unknown here."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return {"name": "", "words": ""}
    model = {"type": type(backend.model).__name__, "byte_fallback": getattr(backend.model, "byte_fallback", False)}
    parts = {name: part and json.loads(part.__getstate__()) for name in ("pre_tokenizer", "decoder") for part in [getattr(backend, name)]}
    name = kind_of({"model": model, **parts})
    return {"name": name, "words": KINDS.get(name, "")}
