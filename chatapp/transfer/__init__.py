"""Conversations out of the store and into it, as files.

Out: Markdown and ShareGPT-like JSONL carry the visible path, JSON the whole trees. In: our JSON, ChatGPT's conversations.json and
open-webui's export; a file that is none of these, or broken anywhere, imports nothing.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from chatapp.errors import ChatError, NotFound, closest
from chatapp.identity import Owner
from chatapp.store import Store
from chatapp.store.limits import TIME
from chatapp.store.record import FORMAT, VERSION, Conversation, read_document
from chatapp.transfer.peers import chatgpt, open_webui, read_all
from chatapp.turn import Turn

MAX_BYTES = 512 * 2**20

SUFFIXES = {"markdown": ".md", "json": ".json", "jsonl": ".jsonl"}
"""The kinds of export, with the ending of their files."""


@dataclass(frozen=True)
class Imported:
    """What came in. `kind` is 'chatapp', 'chatgpt' or 'open-webui'; `known` are conversations that the owner had, so left alone.

    `newest` is the one that was last written in.
    """

    kind: str
    ids: tuple[str, ...]
    turns: int
    known: tuple[str, ...] = ()
    newest: str | None = None


def export(store: Store, owner: Owner, kind: str, conversation_id: str | None = None) -> Iterator[str]:
    """The file, piece by piece: one conversation, or all of the owner's, oldest first."""
    if kind not in SUFFIXES:
        raise ChatError(f"There is no export named {kind!r}.{closest(kind, SUFFIXES)} Choose from: {', '.join(SUFFIXES)}.", status=422)
    found = _all(store, owner) if conversation_id is None else iter([store.conversations.whole(owner, conversation_id)])
    writers: dict[str, Callable[[Iterator[Conversation]], Iterator[str]]] = {"markdown": _markdown, "json": _json, "jsonl": _jsonl}
    return writers[kind](found)


def _all(store: Store, owner: Owner) -> Iterator[Conversation]:
    """Without those that are deleted while the others are written."""
    for id in store.conversations.ids(owner):
        try:
            found = store.conversations.whole(owner, id)
        except NotFound:
            continue
        yield found


def import_file(store: Store, owner: Owner, data: bytes) -> Imported:
    """Take in what the owner does not have yet, or nothing if any of it is wrong. Raises ChatError that says what, and where."""
    kind, conversations = read(data, owner)
    here = store.conversations.sizes(owner, [c.id for c in conversations])
    known = [c.id for c in conversations if here.get(c.id, -1) >= len(c.turns)]
    new = [c for c in conversations if here.get(c.id, -1) < len(c.turns)]
    added = tuple(store.conversations.add(owner, new))
    written = dict(zip(added or known, (c.updated for c in new or conversations), strict=True))
    return Imported(kind, added, sum(len(c.turns) for c in new), tuple(known), max(written, key=written.__getitem__, default=None))


def read(data: bytes, owner: Owner) -> tuple[str, list[Conversation]]:
    """The kind of a file and its conversations, without a store."""
    try:
        return _read(_parsed(data), owner)
    except RecursionError as error:  # brackets just deep enough to be read, and too deep to be written again
        raise ChatError("The file's brackets are nested too deep. Nothing was imported.") from error


def _read(content: Any, owner: Owner) -> tuple[str, list[Conversation]]:
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return "chatapp", read_document(content, owner)
    items = content if isinstance(content, list) else [content]
    if any(isinstance(item, dict) and "mapping" in item for item in items):
        return "chatgpt", read_all(items, owner, chatgpt)
    if any(isinstance(item, dict) and "chat" in item for item in items):
        return "open-webui", read_all(items, owner, open_webui)
    raise ChatError(
        "This file holds no conversations that can be imported. It must be this program's JSON export, ChatGPT's conversations.json "
        "or open-webui's export of chats. Nothing was imported."
    )


def _parsed(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise ChatError(
            f"The file has {len(data) / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB can be imported. Split it.", status=413
        )
    if data.startswith(b"PK"):
        raise ChatError("This is a ZIP archive. Unpack it and import the conversations.json inside. Nothing was imported.")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ChatError(f"The file is no UTF-8 text: byte {error.start} does not fit. Nothing was imported.") from error
    except json.JSONDecodeError as error:
        line = f"Line {error.lineno}, column {error.colno} is no JSON: {error.msg}. The file may be cut off. Nothing was imported."
        raise ChatError(line) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets thousands deep
        raise ChatError(f"The file is no usable JSON: {error}. Nothing was imported.") from error


def _json(found: Iterator[Conversation]) -> Iterator[str]:
    yield f'{{"format": "{FORMAT}", "version": {VERSION}, "conversations": ['
    for n, conversation in enumerate(found):
        yield (",\n" if n else "\n") + _dump(conversation.as_dict())
    yield "\n]}\n"


def _jsonl(found: Iterator[Conversation]) -> Iterator[str]:
    for conversation in found:
        said = [line for turn in conversation.path() for line in _said(turn)]
        yield _dump({"id": conversation.id, "title": conversation.title, "conversations": _system(conversation) + said}) + "\n"


def _system(conversation: Conversation) -> list[dict[str, str]]:
    path = conversation.path()
    return [{"from": "system", "value": path[0].system}] if path and path[0].system else []


def _said(turn: Turn) -> list[dict[str, str]]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    history = [{"from": names[message.role], "value": message.content} for message in turn.history]
    return [*history, {"from": "human", "value": turn.user}, {"from": "gpt", "value": turn.reply}]


def _markdown(found: Iterator[Conversation]) -> Iterator[str]:
    for n, conversation in enumerate(found):
        if n:
            yield "\n---\n\n"
        known = TIME[0] < conversation.created < TIME[1]
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(conversation.created)) if known else "at a time that is not known"
        yield _clean(f"# {conversation.title}\n\n{day}\n")
        path = conversation.path()
        if path and path[0].system:
            yield _clean(f"\n## System\n\n{path[0].system}\n")
        for turn in path:
            yield _clean(_turn_markdown(turn))


def _turn_markdown(turn: Turn) -> str:
    history = "".join(f"\n## {message.role.capitalize()}\n\n{message.content}\n" for message in turn.history)
    note = {"stopped": "stopped", "length": "cut at max tokens", "error": turn.error or "failed", "interrupted": "interrupted"}
    ending = f"\n\n*({note[turn.finish_reason]})*" if turn.finish_reason in note else ""
    return f"{history}\n## You\n\n{turn.user}\n\n## {turn.model or 'Assistant'}\n\n{turn.reply}{ending}\n"


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text if _clean(text) == text else json.dumps(value, allow_nan=False)


def _clean(text: str) -> str:
    """Without half characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
