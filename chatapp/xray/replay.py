"""Reproduce a reply: the card of everything that made it, and running it again to find the first token that differs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from typing import Any

from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.identity import foreign_id, made_by, why_another
from chatapp.resident.admission import Admission, Ticket
from chatapp.tasks import Step
from chatapp.turn import Token, Turn

LOOK_EVERY = 0.5
"""Seconds between two looks at a replay's place in the queue."""


@dataclass(frozen=True)
class Replayed:
    """A replay so far: `tokens` generated of `of`; `differs` is the index of the first token that is another one, None while all agree.

    `why` says so where other numbers than the engine's work explain a difference.
    """

    tokens: int
    of: int
    differs: int | None = None
    expected: int | None = None
    got: int | None = None
    text: str = ""
    why: str = ""


def card(turn: Turn) -> dict[str, Any]:
    """Everything needed to make this reply again, as plain JSON values."""
    return {
        "turn": turn.id,
        "model": turn.model,
        "revision": turn.revision,
        "engine": turn.engine,
        "imported": turn.imported,
        "device": turn.device,
        "dtype": turn.dtype,
        "versions": dict(turn.versions),
        "sampling": asdict(turn.sampling),
        "seed": turn.seed,
        "date": turn.date,
        "prompt_ids": list(turn.prompt_ids),
        "reply_ids": list(turn.reply_ids),
        "finish_reason": turn.finish_reason,
        "counted": [turn.counted("prompt_tokens"), turn.counted("completion_tokens")] if turn.remote else None,
    }


def why_not(turn: Turn, engine: Engine) -> str:
    """Why this turn cannot be replayed on this engine, in words; empty where it can. Another engine or dtype is allowed: it may differ."""
    if turn.remote:
        return "Another server wrote it and gave words, not token ids: there is nothing that a replay could be compared with."
    if not turn.prompt_ids or not turn.reply_ids:
        return "This turn has no recorded token ids to compare with."
    if why := why_another(made_by(turn), engine.info.id):
        return why
    if (foreign := foreign_id(turn.prompt_ids, engine.info.vocabulary)) is not None:
        return f"The prompt holds token id {foreign}, outside the vocabulary of {engine.info.vocabulary} of {engine.info.model}."
    if not turn.sampling.greedy and turn.seed is None:
        return "This reply was drawn at random without a seed, so another draw differs. Replies with a seed or temperature 0 can be."
    if not turn.sampling.greedy and not engine.capabilities.has("seed"):
        return f"The {engine.info.engine} engine cannot repeat a seeded reply: {engine.capabilities.off['seed']}"
    needed, context = len(turn.prompt_ids) + len(turn.reply_ids), engine.capabilities.context
    if needed > context:
        return f"Prompt and reply are {needed} tokens; this engine's context is {context}."
    return ""


def refuse(turn: Turn, engine: Engine) -> None:
    """Raises ChatError where this turn cannot be replayed."""
    if reason := why_not(turn, engine):
        raise ChatError(reason)


async def in_line(queue: Admission, ticket: Ticket) -> AsyncIterator[Step]:
    """How many are ahead, whenever that changes, until the replay may begin. Raises ChatError when it never may."""
    told = None
    while not ticket.admitted.done():
        if (place := queue.position(ticket.key)) not in (told, None):
            told = place
            yield Step(f"Waiting for the model: {f'{place - 1} ahead' if place > 1 else 'next in line'}")
        await asyncio.wait({ticket.admitted}, timeout=LOOK_EVERY)
    ticket.admitted.result()
    if told is not None:
        yield Step("The model writes the reply again")


def other_format(turn: Turn, engine: Engine) -> str:
    """What a difference may come from before the engine is to blame, in words; empty where the weights have the recorded format."""
    if turn.dtype in ("", engine.info.dtype):
        return ""
    return f"It was written with weights in {turn.dtype}, and they are {engine.info.dtype} now: that alone can choose another token."


async def replay(turn: Turn, engine: Engine) -> AsyncIterator[Replayed]:
    """Generate again from the recorded prompt ids and compare id by id; ends at the first difference or after the last token."""
    refuse(turn, engine)
    of, seen, text = len(turn.reply_ids), 0, ""
    sampling = replace(turn.sampling, max_tokens=of, seed=turn.seed)
    async with aclosing(engine.generate(turn.prompt_ids, sampling)) as events:
        async for event in events:
            if not isinstance(event, Token):
                continue
            expected = turn.reply_ids[seen]
            text += event.text
            if event.id != expected:
                yield Replayed(seen, of, seen, expected, event.id, text, other_format(turn, engine))
                return
            seen += 1
            yield Replayed(seen, of, text=text)
    if seen < of:
        yield Replayed(seen, of, seen, turn.reply_ids[seen], None, text, other_format(turn, engine))
