"""What the page shows of recorded turns, as plain data: rows, the quiet line under each reply, the model card. No gradio here."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from chatapp import markdown
from chatapp.models.identity import ModelId, made_by, short, told_apart
from chatapp.models.info import ModelInfo
from chatapp.pages.protocol import Line, Row, Said
from chatapp.sampling import SAMPLING_PARAMS, Sampling
from chatapp.store import Outline
from chatapp.turn import REMOTE, Message, Turn

RENDERED = 2000
"""Replies whose HTML is remembered: a path is shown again after each reply."""

WHY = {
    "end": "finished",
    "length": "cut at max tokens",
    "stop": "stop string",
    "stopped": "stopped by you",
    "error": "failed",
    "interrupted": "interrupted by a restart",
}


def rows(outline: Outline, positions: Mapping[str, int | None], loading: bool = False) -> list[Row]:
    """The rows of a path. `positions` are the places in the queue of turns that wait; `loading`: so is the model that answers."""
    names = told_apart(outline.made | {made_by(turn) for turn in outline.turns})

    def under(turn: Turn) -> Line:
        versions, tokens = outline.versions.get(turn.id, [turn.id]), outline.prompt_tokens.get(turn.id, 0)
        return line(turn, versions, tokens, positions.get(turn.id), loading, names)

    return [
        Row(
            turn.id,
            turn.created,
            [Said(m.role, m.content, blocks(m.content) if m.role == "assistant" else []) for m in spoken(turn.history)],
            turn.user,
            turn.reply,
            blocks(turn.reply),
            under(turn),
        )
        for turn in outline.turns
    ]


@lru_cache(RENDERED)
def _rendered(text: str) -> tuple[str, ...]:
    return tuple(markdown.blocks(text))


def blocks(text: str) -> list[str]:
    """HTML of a model's words, block by block."""
    return list(_rendered(text))


def spoken(history: Sequence[Message]) -> list[Message]:
    """Earlier messages that came with a request, without system ones."""
    return [m for m in history if m.role != "system" and m.content]


def line(
    turn: Turn,
    versions: Sequence[str],
    prompt_tokens: int,
    position: int | None = None,
    loading: bool = False,
    names: Mapping[ModelId, str] = MappingProxyType({}),
) -> Line:
    """The line under one reply, and what can be done with it. `names` tell the models of its conversation apart."""
    at = list(versions).index(turn.id) if turn.id in versions else 0
    return Line(
        facts=facts(turn, position, loading, names),
        title=origin(turn, prompt_tokens),
        note=note(turn),
        reason=turn.finish_reason,
        running=turn.running,
        position=position,
        empty=not turn.reply,
        more=turn.cut and (prompt_tokens > 0 or turn.can_continue),
        at=at + 1,
        of=max(1, len(versions)),
        previous=versions[at - 1] if at > 0 else None,
        next=versions[at + 1] if at + 1 < len(versions) else None,
    )


def facts(turn: Turn, position: int | None = None, loading: bool = False, names: Mapping[ModelId, str] = MappingProxyType({})) -> list[str]:
    """model · tokens · tok/s · time to first token · why it ended; only what is known."""
    if position is not None:
        return ["Waits until the model is loaded" if loading and position <= 1 else in_line(position)]
    said = [names.get(made_by(turn)) or short(turn.model)] if turn.model else []
    said += [count(turn.tokens, "token")] if turn.tokens else []
    if turn.tokens_per_second:
        said.append(f"{turn.tokens_per_second:.1f} tok/s")
    if turn.timings.first_token is not None:
        said.append(f"first token {seconds(turn.timings.first_token)}")
    if turn.running:
        return said or ["Reading the prompt"]
    said.append(imported(turn) if turn.imported else WHY[turn.finish_reason])
    return said


def imported(turn: Turn) -> str:
    """Of a reply from elsewhere nobody knows here why it ended; that it failed came with its file."""
    where = f"imported from {turn.engine}" if turn.engine else "imported"
    return f"{where}, failed there" if turn.finish_reason == "error" else where


def note(turn: Turn) -> str:
    """What a person should notice: a failure with its reason, messages that did not fit."""
    said = [turn.error] if turn.error else []
    if turn.dropped_messages:
        verb, by = "was" if turn.dropped_messages == 1 else "were", ", by an estimate of their tokens," if turn.remote else ""
        said.append(f"The {count(turn.dropped_messages, 'oldest message')} did not fit into the context{by} and {verb} left out.")
    if turn.prefix_text and turn.told.get("beginning") == "unknown":
        said.append("The server was given the beginning of this reply; whether it went on from it or began anew, it does not say.")
    if turn.escaped_special_tokens:
        said.append(f"Typed control tokens were read as plain text: {', '.join(turn.escaped_special_tokens)}")
    return " ".join(said)


def origin(turn: Turn, prompt_tokens: int) -> str:
    """Who wrote this, from what, and how: the tooltip of the line. Of an imported reply only what came with it."""
    if turn.imported:
        return " · ".join(part for part in (turn.model, imported(turn)) if part)
    where = f"answered by {turn.device}" if turn.remote else served(turn.engine, turn.device, turn.dtype)
    read = f"{turn.cached_prompt_tokens:,} of {prompt_tokens:,} prompt tokens reused" if turn.cached_prompt_tokens else ""
    seed = f"seed {turn.seed}" if turn.seed is not None and turn.sampling.seed is None else ""
    model = "@".join(part for part in (turn.model, turn.revision) if part)
    return " · ".join(part for part in (model, where, settings_of(turn.sampling) if turn.engine else "", seed, read) if part)


def settings_of(sampling: Sampling) -> str:
    """The settings that differ from doing nothing, in words."""
    said = [f"{k.label.lower()} {getattr(sampling, k.name):g}" for k in SAMPLING_PARAMS if k.basic or getattr(sampling, k.name) != k.off]
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


def model_facts(info: ModelInfo) -> list[str]:
    """Of the loaded model, in few words."""
    weights = [f"{size(info.parameters)} parameters"] if info.parameters else []
    where = [f"answered by {info.device}"] if info.engine == REMOTE else [f"{info.engine} on {info.device}"]
    return [*weights, *where, *filter(None, [info.dtype]), f"{info.context:,} tokens of context"]


def served(engine: str, device: str, dtype: str) -> str:
    """By what, where, in which numbers; what is not known is left out."""
    return " ".join(part for part in (engine, f"on {device}" if device else "", dtype) if part)
