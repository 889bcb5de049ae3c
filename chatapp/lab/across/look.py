"""Reads both replies through both columns, by X-ray's bench, so that its rules of memory hold: steps on the way, then plain data."""

import hashlib
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chatapp.engines.text import Detokenizer
from chatapp.identity import Owner
from chatapp.lab.across import said
from chatapp.lab.metrics import divergence, same_text
from chatapp.lab.rows import Row, turn_of
from chatapp.models.identity import made_by
from chatapp.resident.slot import looked_into
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray import tokens
from chatapp.xray.inspector import Inspector
from chatapp.xray.steps import Answers, Result, returning

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.lab.across.likelihood import Likelihood
    from chatapp.xray.sampling import Logits


@dataclass(frozen=True)
class Side:
    """One of the two: a reply, and the column that wrote it, whose prompt, model and settings the other's reply is read with."""

    column: str
    row: Row
    turn: Turn
    tokenizer: "PreTrainedTokenizerBase"


async def look(inspector: Inspector, first: Row, second: Row, owner: Owner, *, load: bool) -> Answers:
    """{columns, same_ids, parting, likely, notes}: where the two part, then how likely each is to each.

    `load`: a person asked for models that are not in memory. Raises ChatError where a reply cannot be read; a model that is not loaded is
    offered (NotLoaded).
    """
    turns = [turn_of(row, owner) for row in (first, second)]
    for turn in turns:
        tokens.refuse_without_ids(turn)
    with ExitStack() as held:
        for turn in turns:
            async for step in _at_hand(inspector, turn, load=load):
                yield step
            if slot := inspector.served.wrote(turn):
                held.enter_context(looked_into(slot))
        sides = [Side(row["column"], row, turn, inspector.tokenizer(turn)) for row, turn in zip((first, second), turns, strict=True)]
        one_tokenizer = await inspector.run(same_tokenizer, sides[0].tokenizer, sides[1].tokenizer)
        columns = [side.column for side in sides]
        shown: dict[str, Any] = {"columns": columns, "same_ids": one_tokenizer, "parting": None, "likely": None, "notes": []}
        async for item in _parting(inspector, sides, one_tokenizer):
            if isinstance(item, Step):
                yield item
            else:
                shown["parting"] = item
                yield dict(shown)
        async for item in _likely(inspector, sides, one_tokenizer):
            if isinstance(item, Step):
                yield item
            else:
                yield shown | {"likely": item, "notes": said.notes(columns, [inspector.note(turn) for turn in turns])}


async def _at_hand(inspector: Inspector, turn: Turn, *, load: bool) -> AsyncIterator[Step]:
    """The model that wrote a turn, loaded where a person asked for that."""
    async for step in inspector.coming(turn):
        yield step
    slot = inspector.served.wrote(turn)
    if load and (slot is None or slot.state != "ready"):
        async for item in inspector.load(str(made_by(turn)), slot):
            if isinstance(item, Step):
                yield item


def same_tokenizer(one: "PreTrainedTokenizerBase", other: "PreTrainedTokenizerBase") -> bool:
    """Do ids mean the same to both? Models of one family share a tokenizer, whatever their size."""
    return one is other or one.get_vocab() == other.get_vocab()


def reading(side: Side, ids: Sequence[int]) -> Turn:
    """Ids read after a column's prompt by its model. X-ray keeps readings by id, so that one that is needed twice is read once."""
    name = hashlib.sha256(array("q", (*side.turn.prompt_ids, -1, *ids)).tobytes()).hexdigest()[:32]
    return replace(side.turn, id=name, reply_ids=list(ids), logprobs=[])


def ids_for(reply: Side, reader: Side, *, one_tokenizer: bool) -> list[int]:
    """A reply as a column's model reads it: its recorded ids, or its text cut by the other tokenizer. The end of a turn is no text."""
    if one_tokenizer:
        return list(reply.turn.reply_ids)
    if reply is reader:
        return reply.turn.reply_ids[: -1 if reply.turn.finish_reason == "end" else None]
    return reader.tokenizer.encode(reply.turn.reply_text, add_special_tokens=False)


def places(sides: Sequence[Side], *, one_tokenizer: bool) -> tuple[int, int] | None:
    """The token of each reply at which they part: the same one where ids can be compared, else that in which their texts first differ."""
    if one_tokenizer:
        found = divergence(sides[0].row, sides[1].row)
        return (found.index, found.index) if found else None
    one, other = (side.turn.reply_text for side in sides)
    if one == other:
        return None
    return tuple(token_at(side, same_text(one, other)) for side in sides)


def token_at(side: Side, character: int) -> int:
    """The token with which the text goes beyond so many characters, the first of those that make one.

    Where the text ends before: the token that ended the turn, or as many as there are.
    """
    words, length, first = Detokenizer(side.tokenizer), 0, 0
    for place, token in enumerate(side.turn.reply_ids):
        new = words.push(token)
        length += len(new)
        if length > character:
            break
        first = place + 1 if new else first
    return first


async def _parting(inspector: Inspector, sides: Sequence[Side], one_tokenizer: bool) -> AsyncIterator[Step | dict[str, Any]]:
    """Both distributions at the token where the replies part. Nothing for replies that do not."""
    if (at := await inspector.run(lambda: places(sides, one_tokenizer=one_tokenizer))) is None:
        return
    went = [side.turn.reply_ids[place] if place < len(side.turn.reply_ids) else None for side, place in zip(sides, at, strict=True)]
    found = []
    for n, side in enumerate(sides):
        ids = list(side.turn.reply_ids)
        if went[n] is None:  # it had ended: what would have come is read all the same
            ids.append(went[1 - n] if one_tokenizer and went[1 - n] is not None else side.turn.prompt_ids[0])
        logits: Result[Logits] = Result()
        async for step in logits.of(inspector.logits(reading(side, ids))):
            yield step
        from chatapp.lab.across.likelihood import distributions

        known = [token for token in (went if one_tokenizer else (went[n],)) if token is not None]
        made = await inspector.run(distributions, logits.value, at[n], side.turn.sampling, known)
        candidates = [one | {"text": side.tokenizer.decode([one["id"]])} for one in made["candidates"]]
        drawn = side.tokenizer.decode([went[n]]) if went[n] is not None else ""
        found.append(made | {"candidates": candidates, "token": went[n], "text": drawn, "place": at[n] + 1})
    words = said.parting([side.column for side in sides], [side.turn for side in sides], found, one_tokenizer=one_tokenizer)
    yield {"sides": found, "words": words}


async def _likely(inspector: Inspector, sides: Sequence[Side], one_tokenizer: bool) -> AsyncIterator[Step | dict[str, Any]]:
    """How likely each reply is to each column, [reply][column]."""
    found: list[list[Likelihood | None]] = []
    for reply in sides:
        line: list[Likelihood | None] = []
        for reader in sides:
            result: list[Likelihood] = []
            if ids := ids_for(reply, reader, one_tokenizer=one_tokenizer):
                logits: Result[Logits] = Result()
                async for step in logits.of(inspector.logits(reading(reader, ids))):
                    yield step
                from chatapp.lab.across.likelihood import likelihood

                async for share in inspector.drive(returning(likelihood(logits.value, reader.turn.sampling), result)):
                    yield Step("Counting", share)
            line.append(result[0] if result else None)
        found.append(line)
    yield said.likely([side.column for side in sides], [side.turn for side in sides], found, one_tokenizer=one_tokenizer)
