"""What the page shows of recorded turns, as plain data: transcript, the quiet line under each reply, the model card. No gradio here."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from chatapp import loose
from chatapp.engines.base import Card
from chatapp.turn import KNOBS, Message, Sampling, Turn
from chatapp.ui.words import typed, written

NOTHING_YET = "\u2060"
"""Word joiner: keeps the bubble of an empty reply in the transcript, shows and copies as nothing."""

WHY = {
    "end": "finished",
    "length": "cut at max tokens",
    "stop": "stop string",
    "stopped": "stopped by you",
    "error": "failed",
    "interrupted": "interrupted by a restart",
}


def transcript(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Messages for gr.Chatbot, strictly alternating, so that the n-th bubble of a side belongs to the n-th entry of `slots`."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        said = [*spoken(turn.given), Message("user", turn.user), Message("assistant", turn.reply)]
        messages += [{"role": m.role, "content": markdown(m) or NOTHING_YET} for m in said]
    return messages


def markdown(message: Message) -> str:
    """A message's Markdown. An import may hold half surrogate pairs, which no answer can carry."""
    return loose.text((typed if message.role == "user" else written)(message.content))


def spoken(given: Sequence[Message]) -> list[Message]:
    """Earlier messages that came with a request, without system ones, neighbours of one role joined."""
    shown = [m for m in given if m.role != "system" and m.content]
    return [Message(role, "\n\n".join(m.content for m in run)) for role, run in groupby(shown, key=lambda m: m.role)]


def slots(turns: Sequence[Turn], versions: Mapping[str, Sequence[str]], positions: Mapping[str, int | None]) -> dict[str, list[Any]]:
    """What stands beside each bubble: `users` holds turn ids, `bots` the line under a reply; None for bubbles without a turn.

    `positions` are the places in the queue of turns that wait.
    """
    users: list[Any] = []
    bots: list[Any] = []
    for turn in turns:
        for message in spoken(turn.given):
            (users if message.role == "user" else bots).append(None)
        users.append({"id": turn.id, "text": turn.user})
        bots.append(slot(turn, versions.get(turn.id, (turn.id,)), positions.get(turn.id)))
    if bots and bots[-1]:
        bots[-1]["last"] = True
    return {"users": users, "bots": bots}


def slot(turn: Turn, versions: Sequence[str], position: int | None = None) -> dict[str, Any]:
    """The line under one reply, and what can be done with it.

    `text` is given where the transcript shows it otherwise: Copy takes the model's own.
    """
    at = list(versions).index(turn.id) if turn.id in versions else 0
    return {
        "id": turn.id,
        "facts": facts(turn, position),
        "title": origin(turn),
        "note": note(turn),
        "reason": turn.stop_reason,
        "running": turn.running,
        "waiting": position,
        "empty": not turn.reply,
        "text": None if turn.running or written(turn.reply) == turn.reply else turn.reply,
        "more": turn.can_continue,
        "at": at + 1,
        "of": max(1, len(versions)),
        "previous": versions[at - 1] if at > 0 else None,
        "next": versions[at + 1] if at + 1 < len(versions) else None,
    }


def facts(turn: Turn, position: int | None = None) -> list[str]:
    """tokens · tok/s · time to first token · why it ended · prompt tokens reused; only what is known."""
    if position is not None:
        return [in_line(position)]
    said = [count(len(turn.reply_ids), "token")] if turn.reply_ids else []
    if turn.tokens_per_second:
        said.append(f"{turn.tokens_per_second:.1f} tok/s")
    if turn.timings.first_token is not None:
        said.append(f"first token {seconds(turn.timings.first_token)}")
    if turn.running:
        return said or ["Reading the prompt"]
    said.append(WHY[turn.stop_reason])
    if turn.reused:
        said.append(f"{turn.reused:,} of {len(turn.prompt_ids):,} prompt tokens reused")
    return said


def note(turn: Turn) -> str:
    """What a person should notice: a failure with its reason, messages that did not fit."""
    said = [turn.error] if turn.error else []
    if turn.dropped:
        verb = "was" if turn.dropped == 1 else "were"
        said.append(f"The {count(turn.dropped, 'oldest message')} did not fit into the context and {verb} left out.")
    if turn.guarded:
        said.append(f"Typed control tokens were read as plain text: {', '.join(turn.guarded)}")
    return " ".join(said)


def origin(turn: Turn) -> str:
    """Who wrote this, and how: the tooltip of the line."""
    where = " ".join(part for part in (turn.engine, f"on {turn.device}" if turn.device else "", turn.dtype) if part)
    return " · ".join(part for part in (turn.model, where, settings_of(turn.sampling)) if part)


def settings_of(sampling: Sampling) -> str:
    """The settings that differ from doing nothing, in words."""
    said = [f"{k.label.lower()} {getattr(sampling, k.name):g}" for k in KNOBS if k.basic or getattr(sampling, k.name) != k.off]
    said += [f"seed {sampling.seed}"] if sampling.seed is not None else []
    return ", ".join(said + ([f"stops at {', '.join(map(repr, sampling.stop))}"] if sampling.stop else []))


def in_line(position: int) -> str:
    """1 → 'Next in line', 2 → '2nd in line'."""
    if position <= 1:
        return "Next in line"
    suffix = "th" if 10 <= position % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(position % 10, "th")
    return f"{position}{suffix} in line"


def count(number: int, noun: str) -> str:
    """3, 'token' → '3 tokens'."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def seconds(value: float) -> str:
    """0.042 → '42 ms', 1.234 → '1.23 s'."""
    return f"{value * 1000:.0f} ms" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def size(parameters: int) -> str:
    """134515008 → '135 M'."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {name}"
    return str(parameters)


def card_facts(card: Card) -> list[str]:
    """The model card in short facts."""
    weights = [f"{size(card.parameters)} parameters"] if card.parameters else []
    memory = [card.memory] if card.memory else []
    return [*weights, f"{card.engine} on {card.device}", card.dtype, f"{card.context:,} tokens of context", *memory]
