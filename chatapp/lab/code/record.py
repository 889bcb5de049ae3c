"""What a program needs of a recorded reply: messages as the template had them, settings as `generate` takes them, what can be promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chatapp.errors import ChatError
from chatapp.prompt.layout import JOINT
from chatapp.prompt.template import PLAIN_STOP
from chatapp.sampling import SAMPLING_PARAMS, Sampling
from chatapp.turn import Message, Turn

CHUNK = 128
"""Prompt tokens that the direct engine reads at a time (engines/direct/kvcache.py, which needs PyTorch). Rounding differs with it."""

NO_IDS = (
    "This reply has no recorded token ids: it came with an import, or its engine gives text alone. "
    "Regenerate it here, and copy that as code."
)


@dataclass(frozen=True)
class Recipe:
    """One reply to be made again.

    messages  as the template had them: merged where it was given two as one
    text      of a base model's prompt, which no template made; '' where one did
    exact     whether the same ids can be expected
    """

    turn: Turn
    messages: tuple[Message, ...]
    text: str
    exact: bool

    @property
    def beginning(self) -> tuple[int, ...]:
        """Ids of the reply that were given with the prompt."""
        return tuple(self.turn.prompt_ids[len(self.turn.prompt_ids) - self.turn.prefix_tokens :])

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts at which the reply ends."""
        return tuple(dict.fromkeys((*(PLAIN_STOP if self.text else ()), *self.turn.sampling.stop)))

    @property
    def max_tokens(self) -> int:
        """What was asked for; of a reply that was cut, what it has."""
        whole = self.turn.finish_reason in ("end", "stop") or not self.turn.reply_ids
        return self.turn.sampling.max_tokens if whole else len(self.turn.reply_ids)

    @property
    def end(self) -> int | None:
        """The id that ended it, None where something else did."""
        return self.turn.reply_ids[-1] if self.turn.finish_reason == "end" and self.turn.reply_ids else None


def recipe(turn: Turn) -> Recipe:
    """Of an ended turn. Raises ChatError where there are no ids."""
    if not turn.prompt_ids or any(id is None for id in turn.reply_ids):
        raise ChatError(NO_IDS, status=409)
    messages = messages_of(turn)
    plain = turn.prompt_text if turn.prompt_text.endswith(plain_text(messages)) else ""
    return Recipe(turn, messages, plain, turn.engine == "direct" and (turn.sampling.greedy or turn.seed is not None))


def messages_of(turn: Turn) -> tuple[Message, ...]:
    """Read from the prompt itself: what was left out for space is not among them. Two that only an empty line parts were given as one."""
    spans = [span for span in turn.spans if span.kind == "content"]
    if not spans:
        asked = [Message("system", turn.system)] if turn.system.strip() else []
        return (*asked, *turn.history, Message("user", turn.user))
    found: list[Message] = []
    for before, span in zip([None, *spans], spans, strict=False):
        words = turn.prompt_text[span.start : span.end]
        if before and turn.prompt_text[before.end : span.start] == JOINT:
            found[-1] = Message(span.role, f"{found[-1].content}{JOINT}{words}")
        else:
            found.append(Message(span.role, words))
    return tuple(found)


def plain_text(messages: Sequence[Message]) -> str:
    """What PLAIN_TEMPLATE (prompt/template.py) makes of messages."""
    said = {"system": "{}\n\n", "user": "User: {}\n", "assistant": "Assistant: {}\n"}
    return "".join(said[message.role].format(message.content.strip()) for message in messages) + "Assistant:"


def chat(messages: Sequence[Message]) -> list[dict[str, str]]:
    """As a template takes them."""
    return [{"role": message.role, "content": message.content} for message in messages]


def given(sampling: Sampling) -> dict[str, Any]:
    """What `GenerationConfig` is given, but for the length. What is not named stays at what does nothing."""
    drawn = {} if sampling.greedy else {name: getattr(sampling, name) for name in ("temperature", "top_k", "top_p")}
    return {"do_sample": not sampling.greedy, **drawn, **{name: getattr(sampling, name) for name in at_work(sampling)}}


def settings(sampling: Sampling, max_tokens: int) -> list[str]:
    """Lines of `GenerationConfig(…)`, each setting with what it does."""
    why = {param.name: param.help for param in SAMPLING_PARAMS}
    why["do_sample"] = "False: always the likeliest token. True: drawn by its probability."
    return [
        f"    max_new_tokens={max_tokens},  # {why['max_tokens']}",
        *(f"    {name}={value!r},  # {why[name]}" for name, value in given(sampling).items()),
    ]


def at_work(sampling: Sampling) -> list[str]:
    """Settings beside temperature, top-k and top-p that do something. A greedy reply keeps the penalty alone."""
    names = ("repetition_penalty",) if sampling.greedy else ("min_p", "repetition_penalty", "typical_p")
    off = {param.name: param.off for param in SAMPLING_PARAMS}
    return [name for name in names if getattr(sampling, name) != off[name]]


def promise(turn: Turn) -> str:
    """What running the program gives, in a sentence or two."""
    if turn.engine == "direct" and turn.sampling.greedy:
        return "The same ids come out: greedy decoding draws nothing."
    if turn.engine == "direct" and turn.seed is not None:
        return (
            "The same ids come out: generate applies the same steps in the same order as the engine that wrote the reply, and draws with "
            "the same random numbers. Another device, dtype or version of PyTorch rounds otherwise, and may part at a near tie."
        )
    if turn.engine == "llamacpp":
        drawn = "" if turn.sampling.greedy else " llama.cpp has random numbers of its own, so this draws anew."
        return (
            f"llama.cpp wrote it, from weights kept as {turn.dtype}; here they are read as float32. The two differ a little, and a near "
            f"tie may fall the other way.{drawn}"
        )
    drawn = "so a near tie may fall the other way" if turn.sampling.greedy else "and its random numbers were its own, so this draws anew"
    return f"The engine {turn.engine or 'that wrote it'} computed it beside other replies, in which numbers round otherwise, {drawn}."
