"""A text as one model reads it: the ids that its tokenizer gives, special tokens of its own included, laid over the characters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models.info import context_of
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.tokens import Piece, laid, overlapping, pieces, row, token_bytes
from chatapp.xray.views.attention import MAX_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Reading:
    """`ids` as the model is given them; `found` says which characters of `text` each stands for."""

    by: InspectedModel
    text: str
    ids: list[int]
    found: list[Piece]

    @property
    def name(self) -> str:
        return self.by.name

    def cells(self) -> dict[str, Any]:
        """Rows, cells and words for the page; a token that stands for no characters is shown as it is spelled."""
        rows = [row(piece, self.text, "special" if piece.special else "content", ()) for piece in self.found]
        drawn = laid(self.text, self.found, rows)
        words = [word or self.found[cell[0]].token for word, cell in zip(drawn["words"], drawn["cells"], strict=True)]
        return drawn | {"words": words}

    def at(self, character: int) -> int:
        """The token that stands for a character; the longest one where `character` is none of the text."""
        here = (n for n, piece in enumerate(self.found) if piece.start <= character < piece.end)
        longest = max(range(len(self.found)), key=lambda n: self.found[n].end - self.found[n].start)
        return next(here, longest)


def read(by: InspectedModel, text: str) -> Reading:
    """Raises ChatError with the numbers for a text of no tokens, or of more than the model or this app takes."""
    ids, found = encoded(by.tokenizer, text)
    limits = [MAX_TOKENS, context_of(by.model.config), int(min(by.tokenizer.model_max_length, MAX_TOKENS))]
    if not ids or len(ids) > min(limits):
        raise ChatError(f"{by.name} cuts this text into {len(ids):,} tokens; 1 to {min(limits):,} are looked at. Paste a part of it.")
    if (largest := max(ids)) >= by.vocabulary:
        raise ChatError(
            f"The tokenizer of {by.name} gives the id {largest:,}, and its model has a table of {by.vocabulary:,} tokens. Fetch it again."
        )
    return Reading(by, text, ids, found)


def encoded(tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[list[int], list[Piece]]:
    """By the tokenizer's own offsets where it tells them: it may have rewritten the text before it cut it."""
    if not tokenizer.is_fast:
        ids = tokenizer(text, verbose=False)["input_ids"]
        return ids, pieces(text, ids, tokenizer)
    cut = tokenizer(text, return_offsets_mapping=True, verbose=False)
    ids, spans, special = cut["input_ids"], cut["offset_mapping"], set(tokenizer.all_special_ids)
    shared, given = overlapping(spans), enumerate(zip(ids, tokenizer.convert_ids_to_tokens(ids), spans, strict=True))
    return ids, [Piece(i, token, token_bytes(tokenizer, i), *span, n in shared, i in special) for n, (i, token, span) in given]
