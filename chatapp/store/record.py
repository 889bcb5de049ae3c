"""A whole conversation as a value, and its strict way in from plain JSON: what an export holds and an import brings."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chatapp.errors import ChatError, closest
from chatapp.identity import Owner
from chatapp.store.limits import LOGPROB, TOKEN_ID, mended, outside, token_ids, wrong
from chatapp.turn import Turn, new_id

FORMAT, VERSION = "chatapp", 4
RENAMED = {
    "given": "history",
    "guarded": "escaped_special_tokens",
    "dropped": "dropped_messages",
    "reused": "cached_prompt_tokens",
    "prefilled": "prefix_tokens",
    "prefill_text": "prefix_text",
    "stop_reason": "finish_reason",
}
"""What version 1 called fields of a turn."""

MAX_TITLE = 200
MAX_MODEL = 1000
TITLE_CUT = 60  # characters of a title that nobody typed
MAX_TEXT = 4_000_000  # characters of one field
MAX_TURNS = 1_000_000  # in one import
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
ATTACHED = re.compile(r"(?:\A|\n\n)File: ([^\n]+)\n`{3,}\n")
"""How a file begins in a message that it was attached to, see assets/attached.js."""


@dataclass(frozen=True)
class Conversation:
    """A tree of turns, oldest first. `leaf` is the end of the visible path, `model` the id of who answers next. Times are Unix seconds."""

    id: str
    title: str
    created: float
    updated: float
    pinned: bool = False
    leaf: str | None = None
    turns: Sequence[Turn] = field(default=())
    model: str | None = None

    def path(self) -> list[Turn]:
        """The visible turns, root first."""
        by_id = {turn.id: turn for turn in self.turns}
        found: list[Turn] = []
        at = self.leaf
        while at is not None:
            found.append(by_id[at])
            at = by_id[at].parent_id
        return found[::-1]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values. Whose it is stays out; a reply that is still running is written as interrupted."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "turns"}
        return values | {"turns": [_turn_dict(turn) for turn in self.turns]}

    def copied(self) -> "Conversation":
        """The same under new ids."""
        new = {turn.id: new_id() for turn in self.turns}
        id = new_id()
        turns = [_renamed(turn, id, new) for turn in self.turns]
        return replace(self, id=id, leaf=new.get(self.leaf), turns=turns)


def _renamed(turn: Turn, conversation_id: str, new: Mapping[str | None, str]) -> Turn:
    continues = new.get(turn.continues, turn.continues)
    return replace(turn, id=new[turn.id], conversation_id=conversation_id, parent_id=new.get(turn.parent_id), continues=continues)


def _turn_dict(turn: Turn) -> dict[str, Any]:
    values = mended(turn.as_dict())
    del values["owner"], values["conversation_id"]
    values["finish_reason"] = turn.finish_reason or "interrupted"
    # JSON has no infinity; a log-probability of a forced token can be one
    values["logprobs"] = [str(v) if v is not None and math.isinf(v) else v for v in values["logprobs"]]
    return values


def cut_title(text: str) -> str:
    """A title that somebody gave, on one line and not too long to be stored."""
    return " ".join(text.split())[:MAX_TITLE]


def title_of(text: str) -> str:
    """The title a first question gives: its beginning on one line, cut after a word unless that would lose much of it.

    Of a question with files (assets/attached.js) its words, else the first file's name.
    """
    file = ATTACHED.search(text)
    words = text[: file.start()] or file[1] if file else text
    line = " ".join(words.split())
    if len(line) <= TITLE_CUT:
        return line or "New chat"
    start = line[: TITLE_CUT - 1]
    words = start if line[len(start)] == " " else start.rpartition(" ")[0]
    return f"{(words if len(words) >= TITLE_CUT // 2 else start).rstrip(' ,;:–—-')}…"


def read_document(data: Mapping[str, Any], owner: Owner) -> list[Conversation]:
    """Conversations from our own export. Raises ChatError that names the conversation and the field."""
    if data.get("format") != FORMAT or not isinstance(data.get("conversations"), list):
        raise ChatError("This is no export of this program: it needs format 'chatapp' and a list of conversations.")
    version = data.get("version")
    if version not in range(1, VERSION + 1):
        raise ChatError(f"This export has version {version!r}; this program reads versions 1 to {VERSION}. Update the program.")
    renamed = RENAMED if version == 1 else {}
    found = [_conversation(values, owner, n, renamed) for n, values in enumerate(data["conversations"], 1)]
    return checked(found)


def checked(found: list[Conversation]) -> list[Conversation]:
    """Refuses what is too much, and ids used twice."""
    turns = [turn.id for conversation in found for turn in conversation.turns]
    if len(turns) > MAX_TURNS:
        raise ChatError(f"The file holds {len(turns)} questions; one import takes at most {MAX_TURNS}. Split it.")
    seen: set[str] = set()
    for conversation in found:
        ids = [conversation.id, *(turn.id for turn in conversation.turns)]
        for id in ids:
            if id in seen:
                raise ChatError(f"Conversation {conversation.title!r}: the id {id} occurs twice in the file. Nothing was imported.")
            seen.add(id)
    return found


def fault(where: str, what: str) -> ChatError:
    """Where the file is wrong, and what that means."""
    return ChatError(f"{where}: {what}. Nothing was imported.")


def _conversation(values: Any, owner: Owner, n: int, renamed: Mapping[str, str]) -> Conversation:
    title = values.get("title") if isinstance(values, dict) else None
    where = f"Conversation {n}" + (f" ({title[:60]!r})" if isinstance(title, str) else "")
    if not isinstance(values, dict):
        raise fault(where, f"is {type(values).__name__}, not an object")
    _known(values, [f.name for f in fields(Conversation)], where)
    rows = values.get("turns")
    if not isinstance(rows, list):
        raise fault(f"{where}, turns", "must be a list")
    head = _validated(_head_type(), {k: v for k, v in values.items() if k != "turns"}, where)
    _check_id(head.id, f"{where}, id")
    _check_numbers(head, where)
    if not head.title or len(head.title) > MAX_TITLE:
        raise fault(f"{where}, title", f"has {len(head.title)} characters; 1 to {MAX_TITLE} are allowed")
    if len(head.model or "") > MAX_MODEL:
        raise fault(f"{where}, model", f"has {len(head.model)} characters; at most {MAX_MODEL} are allowed")
    turns = [_turn(row, owner, head.id, f"{where}, turn {i}", renamed) for i, row in enumerate(rows, 1)]
    return tree_checked(replace(head, turns=turns), where)


def _turn(values: Any, owner: Owner, conversation_id: str, where: str, renamed: Mapping[str, str]) -> Turn:
    if not isinstance(values, dict):
        raise fault(where, f"is {type(values).__name__}, not an object")
    values = {renamed.get(name, name): value for name, value in values.items()}
    _known(values, [f.name for f in fields(Turn) if f.name not in ("owner", "conversation_id")], where)
    if "id" not in values or "user" not in values:
        raise fault(where, "has no id or no user field")
    turn = _validated(_turn_type(), values | {"owner": owner, "conversation_id": conversation_id}, where)
    _check_id(turn.id, f"{where}, id")
    if turn.continues is not None:
        _check_id(turn.continues, f"{where}, continues")
    _check_turn_numbers(turn, where)
    _check_token_ids(turn, where)
    for name in ("user", "system", "prompt_text", "reply_text", "prefix_text", "error", "heard"):
        if len(getattr(turn, name)) > MAX_TEXT:
            raise fault(f"{where}, {name}", f"has {len(getattr(turn, name))} characters; at most {MAX_TEXT} are allowed")
    return replace(turn, finish_reason=turn.finish_reason or "interrupted")


def _check_turn_numbers(turn: Turn, where: str) -> None:
    _check_numbers(turn, where)
    _check_numbers(turn.timings, f"{where}, timings")
    for n, span in enumerate(turn.spans):
        _check_numbers(span, f"{where}, spans.{n}")
    for n, logprob in enumerate(turn.logprobs):
        if said := wrong(logprob, LOGPROB):
            raise fault(f"{where}, logprobs.{n}", said)


def _check_numbers(value: Any, where: str) -> None:
    for name, said in outside(value):
        raise fault(f"{where}, {name}", said)


def _check_token_ids(turn: Turn, where: str) -> None:
    """What holds for every record; what a model can read is known only where one is loaded."""
    for name in ("prompt_ids", "reply_ids"):
        if not token_ids(getattr(turn, name)):
            raise fault(f"{where}, {name}", f"holds a number that is no token id: those go from 0 to at most {TOKEN_ID[1]}")
    if len(turn.logprobs) not in (0, len(turn.reply_ids)):
        raise fault(f"{where}, logprobs", f"holds {len(turn.logprobs)} numbers for {len(turn.reply_ids)} tokens of the reply")
    if turn.prefix_tokens > len(turn.prompt_ids):
        raise fault(f"{where}, prefix_tokens", f"is {turn.prefix_tokens}, and the prompt has {len(turn.prompt_ids)} tokens")


def tree_checked(conversation: Conversation, where: str) -> Conversation:
    """Turns ordered oldest first with parents before children; refuses missing parents, loops and a leaf that is not there."""
    by_id = {turn.id: turn for turn in conversation.turns}
    if len(by_id) < len(conversation.turns):
        raise fault(where, "the same turn id occurs twice")
    if (conversation.leaf is None) != (not by_id) or conversation.leaf not in {None, *by_id}:
        raise fault(f"{where}, leaf", f"is {conversation.leaf!r}, which is none of its turns")
    done: set[str | None] = {None}
    for n, turn in enumerate(conversation.turns, 1):
        if turn.parent_id is not None and turn.parent_id not in by_id:
            raise fault(f"{where}, turn {n}, parent_id", f"is {turn.parent_id!r}, which is none of its turns")
        climbed = []
        at: str | None = turn.id
        while at not in done:
            climbed.append(at)
            done.add(at)
            at = by_id[at].parent_id
        if at in climbed:
            raise fault(f"{where}, turn {n}, parent_id", "makes a loop")
    return conversation


def parents_first(turns: Sequence[Turn]) -> list[Turn]:
    """The same turns in the same order, except that none stands before its parent."""
    by_id = {turn.id: turn for turn in turns}
    placed: dict[str, Turn] = {}
    for turn in turns:
        climb: list[Turn] = []
        at: str | None = turn.id
        while at is not None and at not in placed:
            climb.append(by_id[at])
            at = by_id[at].parent_id
        placed.update({t.id: t for t in reversed(climb)})
    return list(placed.values())


def _check_id(id: str, where: str) -> None:
    if not ID.fullmatch(id):
        raise fault(where, f"{id[:80]!r} is no id: 1 to 64 letters, digits, - or _ are allowed")


def _known(values: Mapping[str, Any], known: list[str], where: str) -> None:
    for name in values:
        if name not in known:
            raise fault(where, f"{name!r} is no field.{closest(name, known)}".rstrip("."))


def _validated(adapter: Any, values: dict[str, Any], where: str) -> Any:
    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise fault(", ".join([where, ".".join(map(str, first["loc"]))]), first["msg"].lower()) from error
    except ChatError as error:  # Sampling checks its own limits
        raise fault(where, str(error).rstrip(".")) from error


@lru_cache
def _turn_type() -> Any:
    return TypeAdapter(Turn)


@lru_cache
def _head_type() -> Any:
    return TypeAdapter(Conversation)
