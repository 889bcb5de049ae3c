"""The view Probabilities: how likely each token of the reply was, and how it was drawn."""

import math
from dataclasses import asdict
from typing import Any

from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.turn import Turn
from chatapp.xray import explain, tokens
from chatapp.xray.inspector import Inspector
from chatapp.xray.query import XrayQuery
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers, Result


async def probabilities(inspector: Inspector, turn: Turn) -> Answers:
    """The reply's tokens at once; then the rows gathered so far with probability, rank, entropy and alternatives.

    Each answer holds all rows, so that the page can draw the latest and miss none.
    """
    tokens.refuse_without_ids(turn)
    tokenizer = inspector.tokenizer(turn)
    shown: dict[str, Any] = {"reply": await inspector.run(tokens.reply_view, turn, tokenizer), "rows": [], "difference": None}
    yield dict(shown)
    logits: Result[Any] = Result()
    async for step in logits.of(inspector.logits(turn)):
        yield step
    from chatapp.xray.sampling import overview

    async for part in inspector.drive(overview(logits.value)):
        found = max((abs(a - b) for a, b in pairs(turn, part, len(shown["rows"]))), default=None)
        rows = shown["rows"] + await inspector.run(tokens.with_texts, part, tokenizer)
        difference = max(filter(None, (shown["difference"], found)), default=None)
        shown |= {"rows": rows, "difference": difference, "note": inspector.note(turn)}
        yield dict(shown)


def pairs(turn: Turn, rows: list[dict[str, Any]], first: int) -> list[tuple[float, float]]:
    """(probability recorded by the engine while it wrote, probability recomputed) of the tokens from `first` on that have a record."""
    recorded = turn.logprobs[first : first + len(rows)]
    return [(math.exp(old), row["p"]) for old, row in zip(recorded, rows, strict=False) if old is not None]


async def draw(inspector: Inspector, turn: Turn, position: int, given: dict[str, Any]) -> Answers:
    """The steps of one token's draw, on the logits the reply was read with; `given` settings replace the reply's own."""
    tokens.refuse_without_ids(turn)
    if not 0 <= position < len(turn.reply_ids):
        raise ChatError(f"Token {position} was asked for; this reply has tokens 0 to {len(turn.reply_ids) - 1}.")
    settings = turn.sampling.steps() | given
    sampling, tokenizer = Sampling.of(settings), inspector.tokenizer(turn)
    logits: Result[Any] = Result()
    async for step in logits.of(inspector.logits(turn)):
        yield step
    from chatapp.xray.sampling import pipeline

    steps = await inspector.run(tokens.with_texts, await inspector.run(pipeline, logits.value, position, sampling), tokenizer)
    likeliest = bool(steps[-1]["top"]) and steps[-1]["top"][0][0] == turn.reply_ids[position]
    said = [explain.sentence(step, before, sampling) for before, step in zip([None, *steps], steps, strict=False)]
    yield {
        "position": position,
        "steps": [step | {"said": words} for step, words in zip(steps, said, strict=True)],
        "outcome": explain.outcome(steps, sampling, likeliest, own=sampling.steps() == turn.sampling.steps()),
        "sampling": settings,
        "own": asdict(turn.sampling),
    }


def asked_settings(query: XrayQuery) -> dict[str, Any]:
    """Those of a draw that the page sends."""
    given = query.asked.given.get("sampling")
    return {name: given[name] for name in query.turn.sampling.steps() if isinstance(given, dict) and name in given}


VIEW = View(
    name="probabilities",
    label="Probabilities",
    group="the reply",
    place=2,
    about="How likely each {token} of the reply was to the model: the hotter, the more it was surprised. "
    "Choose one to see how it was drawn and what else could have come; the reason for the choice is not shown.",
    questions={
        "probabilities": lambda query: probabilities(query.inspector, query.turn),
        "draw": lambda query: draw(query.inspector, query.turn, query.asked.number("position"), asked_settings(query)),
    },
    computes=("sampling",),
)
