"""How much of a text a model reads: cut at a token, so that what was read is a text again."""

from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.lab.classify.classifier import Cut
from chatapp.xray.text.reading import encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def cut_to(tokenizer: "PreTrainedTokenizerBase", text: str, limit: int, name: str) -> Cut:
    """The beginning of `text` that is at most `limit` tokens, special ones included. Raises ChatError for a text of none."""
    ids, found = encoded(tokenizer, text)
    if all(piece.special for piece in found):
        raise ChatError(f"{name} finds no token in this text. Give other words.", status=422)
    read, whole = text, len(ids)
    ends = [piece.end for piece in found if not piece.special]
    keep = limit - (whole - len(ends))
    while len(ids) > limit and keep > 0:
        read = text[: ends[keep - 1]]
        ids, found = encoded(tokenizer, read)
        keep -= 1  # the beginning of a text may be cut otherwise than the whole
    return Cut(text, read, ids, [piece.token for piece in found], whole, limit)
