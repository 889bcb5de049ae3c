"""The view Reproduce: everything that made a reply, the reply made again, and the engine's own numbers against those recomputed."""

from contextlib import aclosing
from typing import Any

from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.identity import made_by
from chatapp.resident.admission import asked_from
from chatapp.turn import Turn, new_id
from chatapp.xray import replay as replays
from chatapp.xray import tokens
from chatapp.xray.inspector import Inspector
from chatapp.xray.query import XrayQuery
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers, Result
from chatapp.xray.views.probabilities import pairs
from chatapp.xray.whose import NotLoaded


async def card(inspector: Inspector, turn: Turn, engine: Engine | None) -> Answers:
    """The record, and why it cannot be replayed, if so; `offer` is the model to load for it."""
    missing = missing_for(inspector, turn)
    why = str(missing) if missing else replays.why_not(turn, engine) if engine else "No model is loaded."
    off = dict(engine.capabilities.off) if engine and made_by(turn).compare(engine.info.id) != "other" else {}
    recorded = sum(logprob is not None for logprob in turn.logprobs)
    unsure = engine is not None and not turn.remote and made_by(turn).compare(engine.info.id) == "unknown"
    cures = {"offer": missing.offer if missing else "", "anyway": unsure}
    yield {"card": replays.card(turn), "why_not": why, "off": off, "recorded": recorded} | cures


def missing_for(inspector: Inspector, turn: Turn) -> NotLoaded | None:
    """That a model must be loaded first; None where it is there, or would not help."""
    try:
        if turn.prompt_ids and turn.reply_ids:
            inspector.tokenizer(turn)
    except NotLoaded as error:
        return error
    except ChatError:  # what else is wrong is said where somebody looks
        return None
    return None


async def measure(inspector: Inspector, turn: Turn) -> Answers:
    """The engine's own record of the reply's probabilities against those recomputed here."""
    if all(logprob is None for logprob in turn.logprobs[: len(turn.reply_ids)]):
        raise ChatError("The engine recorded no probabilities of this reply, so there is nothing to compare with.")
    tokens.refuse_without_ids(turn)
    logits: Result[Any] = Result()
    async for step in logits.of(inspector.logits(turn)):
        yield step
    from chatapp.xray.sampling import overview

    rows = [row async for part in inspector.drive(overview(logits.value)) for row in part]
    found = [abs(a - b) for a, b in pairs(turn, rows, 0)]
    yield {"largest": max(found), "mean": sum(found) / len(found), "tokens": len(found), "note": inspector.note(turn)}


async def replay(query: XrayQuery) -> Answers:
    """In its turn: it takes a place in the queue of the messages, one at a time for each owner, and leaves it with its viewer.

    The last dict says where the first difference is.
    """
    async for step in query.inspector.coming(query.turn):
        yield step
    if missing := missing_for(query.inspector, query.turn):
        raise missing
    engine, queue = query.slot.engine, query.slot.queue
    replays.refuse(query.turn, engine)
    ticket = queue.enter(new_id(), f"replays of {query.owner}", query.owner, asked_from.get())
    try:
        async for step in replays.in_line(queue, ticket):
            yield step
        async with aclosing(replays.replay(query.turn, engine)) as states:
            async for state in states:
                yield {"replay": state.__dict__}
    finally:
        queue.leave(ticket)


VIEW = View(
    name="card",
    label="Reproduce",
    group="again",
    place=1,
    about="Everything that made this reply, as it was recorded. A {replay} runs it again and marks the first token that differs.",
    questions={
        "card": lambda query: card(query.inspector, query.turn, query.engine),
        "measure": lambda query: measure(query.inspector, query.turn),
        "replay": replay,
    },
    computes=("sampling",),
    keeps_record=True,
    without_ids=True,
)
