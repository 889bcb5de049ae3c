"""What X-ray shows of a recorded turn, as plain data: each view yields Steps while it works, then dicts for the page."""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models.identity import made_by
from chatapp.sampling import Sampling
from chatapp.turn import Turn
from chatapp.xray import explain, tokens
from chatapp.xray import replay as replays
from chatapp.xray.inspector import Inspector, Step
from chatapp.xray.whose import Unsure

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.engines.base import Engine

View = AsyncIterator[Step | dict[str, Any]]


async def prompt(inspector: Inspector, turn: Turn) -> View:
    """Text, ids and roles the model received. Without the model's tokenizer the recorded text stands alone, with the reason."""
    try:
        tokenizer = inspector.tokenizer(turn)
    except ChatError as error:
        alone = {"text": turn.prompt_text, "ids": list(turn.prompt_ids), "rows": None, "why": str(error)}
        yield alone | {"offer": getattr(error, "offer", ""), "anyway": isinstance(error, Unsure)}
        return
    yield await inspector.run(tokens.prompt_view, turn, tokenizer)


async def probabilities(inspector: Inspector, turn: Turn) -> View:
    """The reply's tokens at once; then, a chunk of rows at a time, their probability, rank, entropy and alternatives."""
    refuse_without_ids(turn)
    tokenizer = inspector.tokenizer(turn)
    yield {"reply": await inspector.run(reply_rows, turn, tokenizer)}
    async for item in inspector.logits(turn):
        if isinstance(item, Step):
            yield item
            continue
        from chatapp.xray.sampling import overview

        first = 0
        async for rows in inspector.drive(overview(item)):
            named = await inspector.run(with_texts, rows, tokenizer)
            yield {"first": first, "rows": named, "recorded": difference(turn, rows, first), "note": inspector.note(turn)}
            first += len(rows)


async def draw(inspector: Inspector, turn: Turn, position: int, sampling: Sampling) -> View:
    """The steps of one token's draw under any settings, on the logits the reply was read with."""
    refuse_without_ids(turn)
    if not 0 <= position < len(turn.reply_ids):
        raise ChatError(f"Token {position} was asked for; this reply has tokens 0 to {len(turn.reply_ids) - 1}.")
    tokenizer = inspector.tokenizer(turn)
    async for item in inspector.logits(turn):
        if isinstance(item, Step):
            yield item
        else:
            from chatapp.xray.sampling import pipeline

            steps = await inspector.run(with_texts, await inspector.run(pipeline, item, position, sampling), tokenizer)
            likeliest = bool(steps[-1]["top"]) and steps[-1]["top"][0][0] == turn.reply_ids[position]
            said = [explain.sentence(step, before, sampling) for before, step in zip([None, *steps], steps, strict=False)]
            yield {
                "position": position,
                "steps": [step | {"said": words} for step, words in zip(steps, said, strict=True)],
                "outcome": explain.outcome(steps, sampling, likeliest, own=same_draw(sampling, turn.sampling)),
            }


async def reproduce(turn: Turn, engine: "Engine | None") -> View:
    """The card of everything that made the reply, and why it cannot be replayed, if so."""
    why = replays.why_not(turn, engine) if engine else "No model is loaded."
    off = dict(engine.capabilities.off) if engine and made_by(turn).compare(engine.card.id) != "other" else {}
    recorded = sum(logprob is not None for logprob in turn.logprobs)
    unsure = engine is not None and made_by(turn).compare(engine.card.id) == "unknown"
    yield {"card": replays.card(turn), "why_not": why, "anyway": unsure, "off": off, "recorded": recorded}


async def measure(inspector: Inspector, turn: Turn) -> View:
    """The engine's own record of the reply's probabilities against those recomputed here."""
    if all(logprob is None for logprob in turn.logprobs[: len(turn.reply_ids)]):
        raise ChatError("The engine recorded no probabilities of this reply, so there is nothing to compare with.")
    refuse_without_ids(turn)
    async for item in inspector.logits(turn):
        if isinstance(item, Step):
            yield item
        else:
            from chatapp.xray.sampling import overview

            found = [abs(a - b) async for rows in inspector.drive(_numbered(overview(item))) for a, b in pairs(turn, *rows)]
            yield {"largest": max(found), "mean": sum(found) / len(found), "tokens": len(found), "note": inspector.note(turn)}


async def replay(turn: Turn, engine: "Engine") -> View:
    """Generate again and compare; the last dict says where the first difference is."""
    async with aclosing(replays.replay(turn, engine)) as states:
        async for state in states:
            yield {"replay": state.__dict__}


async def load(inspector: Inspector, name: str) -> View:
    """Load one more model for X-ray only."""
    async for item in inspector.load(name):
        yield item if isinstance(item, Step) else {"loaded": item.name}


def same_draw(one: Sampling, other: Sampling) -> bool:
    """Do both draw in the same way? Length, seed and stop strings aside."""
    return one.steps() == other.steps()


def reply_rows(turn: Turn, tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """The reply's tokens as rows and cells, laid over the text they decode to, special tokens written out."""
    text = tokenizer.decode(turn.reply_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    found = tokens.pieces(text, turn.reply_ids, tokenizer)
    return tokens.laid(text, found, [tokens.row(piece, text, None, ()) for piece in found])


def with_texts(entries: list[dict[str, Any]], tokenizer: "PreTrainedTokenizerBase") -> list[dict[str, Any]]:
    """Add its text to every candidate: (id, p) → (id, p, text)."""
    return [entry | {"top": [(i, p, tokenizer.decode([i])) for i, p in entry["top"]]} for entry in entries]


def pairs(turn: Turn, rows: list[dict[str, Any]], first: int) -> list[tuple[float, float]]:
    """(probability recorded by the engine while it wrote, probability recomputed) of the tokens from `first` on that have a record."""
    recorded = turn.logprobs[first : first + len(rows)]
    return [(math.exp(old), row["p"]) for old, row in zip(recorded, rows, strict=False) if old is not None]


def difference(turn: Turn, rows: list[dict[str, Any]], first: int) -> float | None:
    """The largest difference between both; None without records."""
    return max((abs(a - b) for a, b in pairs(turn, rows, first)), default=None)


def _numbered(chunks: Iterator[list[dict[str, Any]]]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Each chunk with the number of its first row."""
    first = 0
    for rows in chunks:
        yield rows, first
        first += len(rows)


def refuse_without_ids(turn: Turn) -> None:
    if not turn.reply_ids or any(i is None for i in turn.reply_ids):
        raise ChatError("This reply has no recorded tokens: nothing was generated, or the engine gives text only.")
    if not turn.prompt_ids:
        raise ChatError("This reply has no recorded prompt tokens: it came with an import, or the engine gives text only.")
