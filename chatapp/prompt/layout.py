"""How messages lie in a rendered prompt: turns, arrangements a template may take, and who wrote which characters. Plain strings only.

The frame is found by rendering the chat once with one unique word in place of each message: what stands around the words is the
template's. The real text must then be frame and messages in turn (some templates trim the messages, or leave out <think> parts).
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chatapp.turn import Message, Role, Span

_WORD = uuid.uuid4().hex
JOINT = "\n\n"


@dataclass(frozen=True)
class Slot:
    """One message as the template gets it: `indexes` of the messages whose contents it joins."""

    role: Role
    indexes: tuple[int, ...]


def split_turns(messages: Sequence[Message]) -> tuple[tuple[Message, ...], list[list[Message]]]:
    """(leading system messages, turns). A turn is a user message and everything up to the next one."""
    start = next((n for n, m in enumerate(messages) if m.role != "system"), len(messages))
    turns: list[list[Message]] = []
    for message in messages[start:]:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return tuple(messages[:start]), turns


def arrangements(messages: Sequence[Message]) -> Iterator[list[Slot]]:
    """The messages as they are; system folded into the first user message; neighbours of one role joined; both."""
    plain = [Slot(m.role, (n,)) for n, m in enumerate(messages)]
    seen: list[list[Slot]] = []
    for slots in (plain, _fold_system(plain), _join_neighbours(plain), _join_neighbours(_fold_system(plain))):
        if slots not in seen:
            seen.append(slots)
            yield slots


def _fold_system(slots: list[Slot]) -> list[Slot]:
    system = [i for s in slots if s.role == "system" for i in s.indexes]
    rest = [s for s in slots if s.role != "system"]
    if not system:
        return slots
    if not rest or rest[0].role != "user":
        return [Slot("user", tuple(system)), *rest]
    return [Slot("user", (*system, *rest[0].indexes)), *rest[1:]]


def _join_neighbours(slots: list[Slot]) -> list[Slot]:
    joined: list[Slot] = []
    for slot in slots:
        if joined and joined[-1].role == slot.role:
            joined[-1] = Slot(slot.role, joined[-1].indexes + slot.indexes)
        else:
            joined.append(slot)
    return joined


def with_contents(slots: Sequence[Slot], messages: Sequence[Message]) -> list[dict[str, str]]:
    """The chat for the template."""
    return [{"role": s.role, "content": JOINT.join(messages[i].content for i in s.indexes)} for s in slots]


def with_words(slots: Sequence[Slot], messages: Sequence[Message]) -> list[dict[str, str]]:
    """The chat with one unique word for each message."""
    return with_contents(slots, [Message(m.role, _word(n)) for n, m in enumerate(messages)])


def _word(index: int) -> str:
    return f"{_WORD}{index:08d}"


def split_frame(frame: str, slots: Sequence[Slot]) -> list[str] | None:
    """What stands before each word and after the last, or None when the template lost, repeated or reordered a message."""
    pieces = []
    for index in _order(slots):
        before, word, frame = frame.partition(_word(index))
        if not word:
            return None
        pieces.append(before)
    pieces.append(frame)
    return None if any(_WORD in piece for piece in pieces) else pieces


def _order(slots: Sequence[Slot]) -> list[int]:
    return [i for slot in slots for i in slot.indexes]


def spans(
    text: str, frame: list[str] | None, slots: Sequence[Slot], messages: Sequence[Message], control_tokens: Sequence[str]
) -> tuple[Span, ...]:
    """Who wrote which characters of `text`, in order and without gaps. One 'template' span where it cannot be told."""
    places = _align(text, frame, [messages[i].content for i in _order(slots)]) if frame else None
    if frame is None or places is None:
        return (Span(0, len(text), "template", None, None),)
    closing = re.compile(rf"\s*(?:{'|'.join(map(re.escape, control_tokens)) or '(?!)'})\s*")
    found: list[Span] = []
    previous, at = None, 0
    for index, (start, end) in zip(_order(slots), places, strict=True):
        found += _template_spans(text, at, start, closing, previous, (messages[index].role, index), messages)
        found.append(Span(start, end, "content", messages[index].role, index))
        previous, at = index, end
    found += _template_spans(text, at, len(text), closing, previous, ("assistant", None), messages)
    return tuple(s for s in found if s.end > s.start)


def _template_spans(
    text: str,
    start: int,
    end: int,
    closing: re.Pattern[str],
    previous: int | None,
    following: tuple[Role, int | None],
    messages: Sequence[Message],
) -> list[Span]:
    """The piece between two messages: the token that closes the first belongs to it, the rest to what follows."""
    match = closing.match(text, start, end) if previous is not None else None
    if match is None or (match.end() == end and following[1] is not None):
        return [Span(start, end, "template", *following)]
    role = messages[previous].role if previous is not None else None
    return [Span(start, match.end(), "template", role, previous), Span(match.end(), end, "template", *following)]


def _align(text: str, frame: Sequence[str], contents: Sequence[str]) -> list[tuple[int, int]] | None:
    """Where each content lies, if text is frame[0] content[0] frame[1] … with contents whole, trimmed or without their <think> part."""
    if not text.startswith(frame[0]):
        return None
    places, at = [], len(frame[0])
    for content, after in zip(contents, frame[1:], strict=True):
        end = next((at + len(c) for c in _variants(content) if text.startswith(c + after, at)), None)
        if end is None:
            return None
        places.append((at, end))
        at = end + len(after)
    return places if at == len(text) else None


def _variants(content: str) -> tuple[str, ...]:
    answer = content.rpartition("</think>")[2]
    return content, content.strip(), content.rstrip(), content.lstrip(), answer, answer.lstrip("\n"), answer.strip()
