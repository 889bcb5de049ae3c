"""Messages → the prompt: the only place that applies a chat template. It fits the context and keeps typed special tokens plain.

What it promises (tests/prompt/test_template.py):

- For text without special-token strings, `ids` equal `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`.
- A special-token string inside a message is encoded as ordinary text, whoever wrote it: no message can forge a turn. (Markers that a
  template writes as ordinary text, such as Llama-2's [INST], are no special tokens; no tokenizer can tell them from typed ones.)
- Whole oldest turns are left out when the context is short; the system prompt and the last turn never are, and ids are never cut.
- A template that refuses or ignores a system message (Gemma) gets it at the head of the first user message; one that insists on
  alternation gets neighbours of the same role joined by an empty line.
- A model without a template gets PLAIN_TEMPLATE, and its replies should stop at PLAIN_STOP.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date as Day
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from chatapp.errors import ChatError
from chatapp.prompt import layout
from chatapp.prompt.guard import guarded
from chatapp.prompt.layout import Slot
from chatapp.prompt.sandbox import TemplateProcess, TemplateRefusal, asks_time, harmless, with_clock
from chatapp.turn import Message, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

PLAIN_TEMPLATE = (
    "{% if add_bos %}{{ bos_token }}{% endif %}"
    "{% for m in messages %}"
    "{% if m['role'] == 'system' %}{{ m['content'] | trim + '\n\n' }}"
    "{% else %}{{ ('User: ' if m['role'] == 'user' else 'Assistant: ') + m['content'] | trim + '\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
PLAIN_STOP = ("\nUser:",)
"""A base model goes on writing both sides of the talk; here its own side ends."""

MOST_REMEMBERED = 4096
"""Token counts of texts kept for each tokenizer, so that the context meter counts only what changed."""

_control_tokens: WeakKeyDictionary[Any, tuple[str, tuple[str, ...]]] = WeakKeyDictionary()
_counts: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()
_process = TemplateProcess()


@dataclass(frozen=True)
class Budget:
    """The context meter: tokens `used` by what would be sent and `reserved` for the reply, of `context`.

    `dropped` oldest messages would be left out; `over`: even the last turn alone does not fit, and sending would be refused.
    `estimated`: nobody here has the tokenizer.
    """

    used: int
    reserved: int
    context: int
    dropped: int
    over: bool
    estimated: bool = False


def reserve(max_tokens: int, context: int) -> int:
    """Tokens kept free for the reply: max_tokens, but at most half of the context, so that a large setting cannot empty the prompt."""
    return min(max_tokens, context // 2)


def reply_room(prompt_tokens: int, context: int, max_tokens: int) -> int:
    """The max_tokens an engine may be given: what was asked for, or what the context still holds."""
    return min(max_tokens, context - prompt_tokens)


def stop_strings(tokenizer: "Tokenizer") -> tuple[str, ...]:
    """Where a reply ends besides the end-of-turn token: PLAIN_STOP for a model without a chat template."""
    return () if tokenizer.chat_template else PLAIN_STOP


def render(
    messages: Sequence[Message],
    tokenizer: "Tokenizer",
    *,
    context: int,
    max_tokens: int,
    prefill_ids: Sequence[int] = (),
    date: str = "",
) -> Prompt:
    """The prompt for a reply to the last of `messages`; `prefill_ids` are the given beginning of that reply.

    `date` (ISO) is the day a template may mention, today if empty. Raises ChatError (413) with both numbers when the last turn does
    not fit, and ChatError when the template refuses the messages.
    """
    draft = _Draft(tuple(messages), tokenizer, _day(tokenizer, date))
    room = context - reserve(max_tokens, context) - len(prefill_ids)
    drop = draft.estimated_drop(room)
    while drop < draft.most_dropped and draft.size(drop) > room:
        drop += 1
    while drop > 0 and draft.size(drop - 1) <= room:
        drop -= 1
    if draft.size(drop) > room:
        raise _too_long(draft.size(drop) + len(prefill_ids), room + len(prefill_ids), context, max_tokens)
    return draft.prompt(drop, prefill_ids)


def forecast(messages: Sequence[Message], tokenizer: "Tokenizer", *, context: int, max_tokens: int, date: str = "") -> Budget:
    """What render() would use, from remembered counts: milliseconds, and exact to a few tokens (merges across borders)."""
    reserved = reserve(max_tokens, context)
    if not messages:
        return Budget(0, reserved, context, 0, False)
    draft = _Draft(tuple(messages), tokenizer, _day(tokenizer, date))
    drop = draft.estimated_drop(context - reserved)
    used = draft.estimate(drop)
    return Budget(used, reserved, context, len(messages) - len(draft.kept(drop)), used > context - reserved)


class _Draft:
    """One rendering in the making: the same messages with 0, 1, 2 … oldest turns left out."""

    def __init__(self, messages: tuple[Message, ...], tokenizer: "Tokenizer", date: str) -> None:
        self.tokenizer, self.date = tokenizer, date
        self.head, self.turns = layout.split_turns(messages)
        self.most_dropped = max(0, len(self.turns) - 1)
        self.encoded: dict[int, _Encoded] = {}
        self.costs: tuple[int, list[int]] | None = None

    def kept(self, drop: int) -> tuple[Message, ...]:
        return self.head + tuple(m for turn in self.turns[drop:] for m in turn)

    def size(self, drop: int) -> int:
        """Exact number of ids with `drop` turns left out."""
        if drop not in self.encoded:
            self.encoded[drop] = _encode(self.kept(drop), self.tokenizer, self.date)
        return len(self.encoded[drop].ids)

    def estimate(self, drop: int) -> int:
        """Number of ids from remembered counts of the single pieces."""
        fixed, turns = self.costs or self._count()
        return fixed + sum(turns[drop:])

    def estimated_drop(self, room: int) -> int:
        drop = 0
        while drop < self.most_dropped and self.estimate(drop) > room:
            drop += 1
        return drop

    def _count(self) -> tuple[int, list[int]]:
        messages = self.kept(0)
        guarded = control_tokens(self.tokenizer)
        costs = [count(self.tokenizer, _broken(m.content, guarded)) for m in messages]
        frame = _arrange(messages, self.tokenizer, self.date)[1] or [""] * (len(messages) + 1)
        for n, piece in enumerate(frame[:-1]):
            costs[n] += count(self.tokenizer, piece)
        fixed = sum(costs[: len(self.head)]) + count(self.tokenizer, frame[-1])
        rest = iter(costs[len(self.head) :])
        self.costs = fixed, [sum(next(rest) for _ in turn) for turn in self.turns]
        return self.costs

    def prompt(self, drop: int, prefill_ids: Sequence[int]) -> Prompt:
        self.size(drop)
        made, kept = self.encoded[drop], self.kept(drop)
        spans = layout.spans(made.text, made.frame, made.slots, kept, control_tokens(self.tokenizer))
        dropped = sum(len(turn) for turn in self.turns[:drop])
        return Prompt((*made.ids, *prefill_ids), made.text, spans, kept, dropped, made.guarded, self.date, len(prefill_ids))


@dataclass(frozen=True)
class _Encoded:
    """One rendering: its text and ids, how the messages were arranged in it, and the special-token strings they hold."""

    text: str
    ids: list[int]
    slots: list[Slot]
    frame: list[str] | None
    guarded: tuple[str, ...]


def _encode(messages: tuple[Message, ...], tokenizer: "Tokenizer", date: str) -> _Encoded:
    slots, frame = _arrange(messages, tokenizer, date)
    chat = layout.with_contents(slots, messages)
    text = _apply(chat, tokenizer, date)
    guarded = tuple(t for t in control_tokens(tokenizer) if any(t in m["content"] for m in chat))
    ids = _encode_guarded(chat, tokenizer, date, guarded) if guarded else _encode_text(text, tokenizer)
    return _Encoded(text, ids, slots, frame, guarded)


def _encode_text(text: str, tokenizer: "Tokenizer") -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]


def _encode_guarded(chat: list[dict[str, str]], tokenizer: "Tokenizer", date: str, found: tuple[str, ...]) -> list[int]:
    """The ids with `found` as plain text."""
    from transformers.utils.chat_template_utils import mark_control_tokens

    longest_first = sorted(control_tokens(tokenizer), key=len, reverse=True)
    marked = _apply(mark_control_tokens(chat, re.compile("|".join(map(re.escape, longest_first)))), tokenizer, date)
    with guarded(tokenizer) as own:
        try:
            return own(marked, add_special_tokens=False, sanitize_control_tokens=True, verbose=False)["input_ids"]
        except ValueError as error:  # the vocabulary spells the token itself
            raise ChatError(f"This model's tokenizer cannot write {', '.join(found)} as plain text. Take it out of the message.") from error


def _arrange(messages: Sequence[Message], tokenizer: "Tokenizer", date: str) -> tuple[list[Slot], list[str] | None]:
    """The first arrangement that the template takes and in which it shows every message, and the frame it puts around them."""
    refusal: TemplateRefusal | None = None
    rendered: list[Slot] | None = None
    for slots in layout.arrangements(messages):
        try:
            frame = layout.split_frame(_apply(layout.with_words(slots, messages), tokenizer, date), slots)
        except TemplateRefusal as error:
            refusal = refusal or error
            continue
        if frame is not None:
            return slots, frame
        rendered = rendered or slots
    if rendered is None:
        raise refusal
    return rendered, None


def _apply(chat: list[dict[str, str]], tokenizer: "Tokenizer", date: str) -> str:
    """The template on `chat` on the day `date`: here where it is known to be harmless, else in a process that it may take down."""
    template = _template(tokenizer)
    if template == PLAIN_TEMPLATE or harmless(template):
        more = {"add_bos": _adds_bos(tokenizer)} if template == PLAIN_TEMPLATE else {}
        return tokenizer.apply_chat_template(chat, chat_template=template, add_generation_prompt=True, tokenize=False, **more)
    return _process.render(with_clock(template, date) if date else template, chat, tokenizer.special_tokens_map)


def prepare(tokenizer: "Tokenizer") -> None:
    """Begin to start what the template of a model that was loaded is rendered in. Where that fails, render() says why."""
    with suppress(ChatError):
        if tokenizer.chat_template and not harmless(_template(tokenizer)):
            _process.start()


def _adds_bos(tokenizer: "Tokenizer") -> bool:
    return tokenizer.bos_token_id is not None and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]


def _template(tokenizer: "Tokenizer") -> str:
    try:
        return tokenizer.get_chat_template() if tokenizer.chat_template else PLAIN_TEMPLATE
    except ValueError as error:
        raise ChatError("This model has several chat templates, and none is named default. Choose another model.", status=422) from error


def _day(tokenizer: "Tokenizer", date: str) -> str:
    """The ISO day handed to the template, or '' for a template that never asks."""
    return (date or Day.today().isoformat()) if asks_time(_template(tokenizer)) else ""


def control_tokens(tokenizer: "Tokenizer") -> tuple[str, ...]:
    """Strings that mean something to the model: special tokens, and other added tokens that the template writes."""
    template = _template(tokenizer)
    known = _control_tokens.get(tokenizer)
    if known is None or known[0] != template:
        added = tokenizer.added_tokens_decoder.values()
        strings = (t.content for t in added if t.special or (t.content in template and not t.content.isspace()))
        known = _control_tokens[tokenizer] = template, tuple(strings)
    return known[1]


def count(tokenizer: "Tokenizer", text: str) -> int:
    """Tokens of `text` alone, remembered."""
    memory = _counts.setdefault(tokenizer, {})
    if text not in memory:
        if len(memory) >= MOST_REMEMBERED:
            memory.clear()
        memory[text] = len(_encode_text(text, tokenizer))
    return memory[text]


def _broken(text: str, tokens: Sequence[str]) -> str:
    """`text` with a space inside every special-token string: as long in tokens as when it is guarded, near enough for a forecast."""
    for token in tokens:
        text = text.replace(token, f"{token[:1]} {token[1:]}")
    return text


def _too_long(needed: int, room: int, context: int, max_tokens: int) -> ChatError:
    kept = reserve(max_tokens, context)
    return ChatError(
        f"This message does not fit: with the system prompt it is {needed:,} tokens, and {room:,} are free "
        f"(the context holds {context:,}, of which {kept:,} are kept for the reply). "
        f"Shorten it by about {needed - room:,} tokens{' or lower Max tokens' if kept > 1 else ''}.",
        status=413,
    )
