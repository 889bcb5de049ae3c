"""What X-ray shows of a recorded turn, as plain data: each view yields Steps while it works, then dicts for the page."""

import base64
import math
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.turn import Sampling, Turn
from chatapp.xray import replay as replays
from chatapp.xray import tokens
from chatapp.xray.scope import Scope, Step

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.engines.base import Engine

View = AsyncIterator[Step | dict[str, Any]]
MAX_ATTENTION_TOKENS = 1024
MAX_LENS_POSITIONS = 64


async def prompt(scope: Scope, turn: Turn) -> View:
    """Text, ids and roles the model received. Without the model's tokenizer the recorded text stands alone, with the reason."""
    try:
        tokenizer = scope.tokenizer(turn.model)
    except ChatError as error:
        yield {"text": turn.prompt_text, "ids": list(turn.prompt_ids), "rows": None, "why": str(error), "offer": turn.model}
        return
    yield await scope.run(tokens.prompt_view, turn, tokenizer)


async def probabilities(scope: Scope, turn: Turn) -> View:
    """The reply's tokens with probability, rank, entropy and alternatives; a chunk of rows at a time."""
    from chatapp.xray.sampling import overview

    _refuse_without_ids(turn)
    tokenizer = scope.tokenizer(turn.model)
    yield {"reply": await scope.run(reply_rows, turn, tokenizer)}
    async for item in scope.logits(turn):
        if isinstance(item, Step):
            yield item
            continue
        first = 0
        async for rows in scope.drive(overview(item)):
            named = await scope.run(_named, rows, tokenizer)
            yield {"first": first, "rows": named, "recorded": _difference(turn, rows, first)}
            first += len(rows)


async def draw(scope: Scope, turn: Turn, position: int, sampling: Sampling) -> View:
    """The steps of one token's draw under any settings, on the logits the reply was read with."""
    from chatapp.xray.sampling import pipeline

    _refuse_without_ids(turn)
    if not 0 <= position < len(turn.reply_ids):
        raise ChatError(f"Token {position} was asked for; this reply has tokens 0 to {len(turn.reply_ids) - 1}.")
    tokenizer = scope.tokenizer(turn.model)
    async for item in scope.logits(turn):
        if isinstance(item, Step):
            yield item
        else:
            steps = await scope.run(pipeline, item, position, sampling)
            yield {"position": position, "steps": await scope.run(_named, steps, tokenizer)}


async def attention(scope: Scope, turn: Turn, layers: Sequence[int], first: int = 0, last: int | None = None) -> View:
    """Where each token of prompt and reply looked: per layer the causal triangle of every head as bytes (base64), 255 is weight 1.

    `first` and `last` cut the tokens shown; the model still reads everything before them.
    """
    from chatapp.xray import attention as attentions

    ids = [*turn.prompt_ids, *turn.reply_ids]
    last = min(last or len(ids), len(ids))
    if len(ids[:last]) > MAX_ATTENTION_TOKENS:
        raise ChatError(f"{last} tokens were asked for; attention is shown for at most {MAX_ATTENTION_TOKENS}. Choose an earlier end.")
    specimen = None
    async for item in scope.specimen(turn.model):
        if isinstance(item, Step):
            yield item
        else:
            specimen = item
    cost = attentions.cost(specimen.model, last, layers)
    yield Step(f"{cost.cells / 1e6:.1f} million weights of {last} tokens, {cost.heads} heads, {len(layers)} layers")
    weights = await scope.run(attentions.attention, specimen.model, ids[:last], list(layers))
    yield {
        "layers": {str(n): base64.b64encode(attentions.lower_triangle(w[:, first:, first:])).decode() for n, w in weights.items()},
        "heads": cost.heads,
        "of_layers": specimen.model.config.get_text_config().num_hidden_layers,
        "first": first,
        "tokens": [specimen.tokenizer.decode([i]) for i in ids[first:last]],
        "prompt": len(turn.prompt_ids),
        "note": specimen.note,
    }


async def lens(scope: Scope, turn: Turn, first: int, count: int) -> View:
    """What every layer would have said before `count` tokens of the reply, from its token `first` on."""
    from chatapp.xray import lens as lenses

    _refuse_without_ids(turn)
    if not 0 < count <= MAX_LENS_POSITIONS:
        raise ChatError(f"{count} positions were asked for; 1 to {MAX_LENS_POSITIONS} are shown at once.")
    ids = [*turn.prompt_ids, *turn.reply_ids]
    start = len(turn.prompt_ids) - 1 + first
    positions = list(range(start, min(start + count, len(ids) - 1)))
    async for item in scope.specimen(turn.model):
        if isinstance(item, Step):
            yield item
        else:
            yield Step("Reading every layer")
            view = await scope.run(lenses.lens, item.model, ids[: positions[-1] + 2], positions, item.tokenizer)
            yield view | {"reply": [item.tokenizer.decode([ids[p + 1]]) for p in positions], "first": first, "note": item.note}


async def architecture(scope: Scope, turn: Turn) -> View:
    """Module tree and numbers of the model that wrote the reply."""
    from chatapp.xray import architecture as architectures

    async for item in scope.specimen(turn.model):
        if isinstance(item, Step):
            yield item
        else:
            yield {
                "name": item.name,
                "summary": await scope.run(architectures.summary, item.model),
                "tree": await scope.run(architectures.tree, item.model),
                "note": item.note,
            }


async def neighbours(scope: Scope, turn: Turn, token_id: int) -> View:
    """The tokens whose embeddings are nearest to this one's."""
    from chatapp.xray import architecture as architectures

    async for item in scope.specimen(turn.model):
        if isinstance(item, Step):
            yield item
            continue
        if not 0 <= token_id < len(item.tokenizer):
            raise ChatError(f"Token {token_id} was asked for; the vocabulary has ids 0 to {len(item.tokenizer) - 1}.")
        found = await scope.run(architectures.neighbours, item.model, token_id, item.tokenizer)
        yield {"token": tokens.entry(item.tokenizer, token_id), "neighbours": found}


async def tokenizer(scope: Scope, name: str, text: str) -> View:
    """Any text through a loaded model's tokenizer, and that tokenizer's vocabulary in short."""
    own = scope.tokenizer(name)
    yield {"model": name, "encoded": await scope.run(tokens.encoded, text, own), "vocabulary": await scope.run(tokens.vocabulary, own)}


async def perplexity(scope: Scope, name: str, text: str) -> View:
    """How surprised a model is by a pasted text, running."""
    from chatapp.xray.sampling import perplexity as read

    async for item in scope.specimen(name):
        if isinstance(item, Step):
            yield item
            continue
        ids = item.tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(ids) < 2:
            raise ChatError(f"The text has {len(ids)} tokens; perplexity needs at least 2.")
        async for state in scope.drive(read(item.model, ids, text)):
            yield state


async def reproduce(turn: Turn, engine: "Engine | None") -> View:
    """The card of everything that made the reply, and why it cannot be replayed, if so."""
    why = replays.why_not(turn, engine) if engine else "No model is loaded."
    yield {"card": replays.card(turn), "why_not": why}


async def replay(turn: Turn, engine: "Engine") -> View:
    """Generate again and compare; the last dict says where the first difference is."""
    async for state in replays.replay(turn, engine):
        yield {"replay": state.__dict__}


async def load(scope: Scope, name: str) -> View:
    """Load one more model for X-ray only."""
    async for item in scope.load(name):
        yield item if isinstance(item, Step) else {"loaded": item.name}


def reply_rows(turn: Turn, tokenizer: "PreTrainedTokenizerBase") -> dict[str, Any]:
    """The reply's tokens as rows and cells, laid over the text they decode to, special tokens written out."""
    text = tokenizer.decode(turn.reply_ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    found = tokens.pieces(text, turn.reply_ids, tokenizer)
    return {"cells": tokens.cells(found), "rows": [tokens.row(piece, text, None, ()) for piece in found]}


def _named(entries: list[dict[str, Any]], tokenizer: "PreTrainedTokenizerBase") -> list[dict[str, Any]]:
    """Add its text to every candidate: (id, p) → (id, p, text)."""
    return [entry | {"top": [(i, p, tokenizer.decode([i])) for i, p in entry["top"]]} for entry in entries]


def _difference(turn: Turn, rows: list[dict[str, Any]], first: int) -> float | None:
    """The largest difference between the probabilities the engine recorded while writing and the ones recomputed; None without records."""
    recorded = turn.logprobs[first : first + len(rows)]
    pairs = [(math.exp(old), row["p"]) for old, row in zip(recorded, rows, strict=False) if old is not None]
    return max((abs(a - b) for a, b in pairs), default=None)


def _refuse_without_ids(turn: Turn) -> None:
    if not turn.reply_ids or any(i is None for i in turn.reply_ids):
        raise ChatError("This reply has no recorded tokens: nothing was generated, or the engine gives text only.")
