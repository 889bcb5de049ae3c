"""Chats → token ids and labels: learned are the replies' tokens, found by the template's spans, and the token that ends each."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.lab.finetune.pairs import Chat
from chatapp.prompt.template import render
from chatapp.turn import Prompt
from chatapp.xray.tokens import Piece, pieces

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

IGNORED = -100
"""Label of a token that is not learned."""

LONGEST = 1024
"""Tokens of a chat at most: of a longer one the oldest turns are left out. Memory grows with it."""

SHARE, FEWEST, MOST = 0.1, 1, 200
"""Of the chats, held out to measure on."""


@dataclass(frozen=True)
class Row:
    """A chat as the model reads it. `labels` are its ids where they are learned, else IGNORED."""

    chat: Chat
    ids: tuple[int, ...]
    labels: tuple[int, ...]

    @property
    def learned(self) -> int:
        """Number of tokens that are."""
        return sum(label != IGNORED for label in self.labels)


@dataclass(frozen=True)
class Rows:
    """`train` and `validation` have no chat in common. `left_out` did not fit into `length` tokens, `repeated` were there already."""

    train: list[Row]
    validation: list[Row]
    length: int
    left_out: int
    repeated: int

    @property
    def facts(self) -> dict[str, int]:
        """Counts of chats, and of tokens: of all that is read, and of those that are learned."""
        everything = [*self.train, *self.validation]
        return {
            "train": len(self.train),
            "validation": len(self.validation),
            "tokens": sum(len(row.ids) for row in everything),
            "learned": sum(row.learned for row in everything),
            "left_out": self.left_out,
            "repeated": self.repeated,
            "length": self.length,
        }


def split(chats: Sequence[Chat], tokenizer: "Tokenizer", ends: Collection[int], context: int, seed: int) -> Rows:
    """A tenth held out, at least one. Raises ChatError for fewer than two different chats that fit."""
    different = list({chat.messages: chat for chat in chats}.values())
    length = min(context, LONGEST)
    found = [made for chat in different if (made := fitting(chat, tokenizer, ends, length))]
    left_out, repeated = len(different) - len(found), len(chats) - len(different)
    if len(found) < 2:
        raise ChatError(
            f"{len(chats):,} {'chat was' if len(chats) == 1 else 'chats were'} given, and {len(found)} can be learned ({repeated:,} stand "
            f"there twice, {left_out:,} are longer than {length:,} tokens). At least 2 are needed: one is held out to measure on.",
            status=422,
        )
    random.Random(seed).shuffle(found)
    held = min(MOST, max(FEWEST, round(SHARE * len(found))))
    return Rows(found[held:], found[:held], length, left_out, repeated)


def fitting(chat: Chat, tokenizer: "Tokenizer", ends: Collection[int], length: int) -> Row | None:
    """None for a chat whose last turn alone is longer."""
    try:
        return row(chat, tokenizer, ends, length)
    except ChatError as error:
        if error.status == 413:
            return None
        raise


def row(chat: Chat, tokenizer: "Tokenizer", ends: Collection[int], length: int) -> Row:
    """As the app itself renders it. `ends` are the ids at which a reply ends. Raises ChatError, with 413 where it is too long.

    A model without a chat template is asked as the app asks it; the end of a text is put behind its last reply, as nothing else ends one.
    """
    prompt = render(chat.messages, tokenizer, context=length, max_tokens=0)
    ids, learned = list(prompt.ids), learned_places(prompt, tokenizer, ends)
    if not learned:
        raise ChatError(
            f"The chat template of this model does not show where a reply lies ({chat.where}), so only whole texts could be learned."
        )
    last = max(learned)
    if not tokenizer.chat_template and tokenizer.eos_token_id is not None:
        ids[last + 1 :] = [tokenizer.eos_token_id]
        last += 1
        learned.add(last)
    labels = (id if place in learned else IGNORED for place, id in enumerate(ids[: last + 1]))
    return Row(chat, tuple(ids[: last + 1]), tuple(labels))


def learned_places(prompt: Prompt, tokenizer: "Tokenizer", ends: Collection[int]) -> set[int]:
    """Indexes of the ids that hold characters of a reply, and of the end right behind it."""
    found = pieces(prompt.text, prompt.ids, tokenizer)
    replies = [(span.start, span.end) for span in prompt.spans if span.kind == "content" and span.role == "assistant"]
    places = {n for n, piece in enumerate(found) if any(piece.start < end and piece.end > start for start, end in replies)}
    return places.union(*(_end_behind(n, found, ends) for n in places))


def _end_behind(place: int, found: Sequence[Piece], ends: Collection[int]) -> range:
    """Of the ids behind a place: an end, and the spaces that a template writes before it (Llama-2's does); nothing where no end follows."""
    at = place + 1
    while at < len(found) and found[at].id not in ends and not found[at].raw.strip():
        at += 1
    return range(place + 1, at + 1) if at < len(found) and found[at].id in ends else range(0)


def asked_ids(chat: Chat, tokenizer: "Tokenizer", length: int) -> tuple[int, ...]:
    """The prompt to which the last reply is the answer."""
    return render(chat.asked, tokenizer, context=length, max_tokens=0).ids
