"""A text cut by the tokenizers of models, from their files alone, and by the two plain ways beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chatapp.models.files.cutting import cut_by
from chatapp.xray import cuts
from chatapp.xray.text.which import Found
from chatapp.xray.tokens import Piece, bytes_of, laid, lay, overlapping, row

FALLBACK = "BPE with byte fallback"


def tokens(models: Sequence[Found], text: str, data_dir: Path) -> dict[str, Any]:
    """{text, plain, models}: for each model {name, encoder} and what `shown` gives. Raises ChatError where one has no tokenizer."""
    cut = [{"name": found.name, "encoder": found.encoder} | shown(cut_by(found.place, text, data_dir)) for found in models]
    return {"text": text, "plain": cuts.plain(text), "models": cut}


def shown(cut: dict[str, Any]) -> dict[str, Any]:
    """What a tokenizer's file made of a text, as the page draws tokens: {kind, about, tokens, ids, rows, cells, words, back}, or {problem}.

    `around` are the special tokens that the tokenizer puts around a text for its model.
    """
    if "problem" in cut:
        return {"problem": cut["problem"]}
    text, found = cut["text"], pieces(cut)
    drawn = laid(text, found, [row(piece, text, "content", ()) for piece in found])
    return drawn | {name: cut[name] for name in ("kind", "about", "tokens", "ids", "back")} | {"around": cut.get("around", [])}


def pieces(cut: dict[str, Any]) -> list[Piece]:
    """Where each token stands in the text: by its bytes, which are exact, or, where a text is rewritten before it is cut, by offsets."""
    tokens, ids, offsets = cut["tokens"], cut["ids"], cut.get("offsets")
    if offsets is None or cut["kind"] == "byte-level BPE":
        return lay(cut["text"], ((i, token, bytes_of(token), False) for i, token in zip(ids, tokens, strict=True)))
    spans = [tuple(offset) for offset in offsets]
    shared, given = overlapping(spans), enumerate(zip(ids, tokens, spans, strict=True))
    return [Piece(i, token, own_bytes(token, cut, span), *span, n in shared, False) for n, (i, token, span) in given]


def own_bytes(token: str, cut: dict[str, Any], span: tuple[int, int]) -> bytes:
    return bytes_of(token) if cut["kind"] == FALLBACK else cut["text"][span[0] : span[1]].encode()
