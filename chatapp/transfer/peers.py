"""The exports of ChatGPT (conversations.json) and open-webui, read strictly: an error names the conversation and the field."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chatapp.identity import Owner
from chatapp.store.limits import TIME, wrong
from chatapp.store.record import ID, Conversation, checked, cut_title, fault
from chatapp.transfer.tree import Node, conversation
from chatapp.turn import new_id

MILLISECONDS = 1e11
"""A larger number counts them: as seconds it would be past the year 5000."""

Reader = Callable[[Mapping[str, Any], str, str], Conversation]


def read_all(items: Sequence[Any], owner: Owner, read: Reader) -> list[Conversation]:
    """Each conversation of a file."""
    found = []
    for n, item in enumerate(items, 1):
        where = f"Conversation {n}"
        if not isinstance(item, dict):
            raise fault(where, f"is {type(item).__name__}, not an object")
        title = item.get("title")
        found.append(read(item, owner, f"{where} ({title[:60]!r})" if isinstance(title, str) and title else where))
    return checked(found)


def chatgpt(item: Mapping[str, Any], owner: Owner, where: str) -> Conversation:
    """One conversation of ChatGPT: `mapping` holds the messages below a hidden root."""
    mapping = _need(item, "mapping", dict, where)
    nodes = {id: _chatgpt_node(id, value, f"{where}, mapping.{id}") for id, value in mapping.items()}
    head = _head(item, item.get("conversation_id") or item.get("id"), "create_time", "update_time", bool(item.get("is_starred")), where)
    return conversation(head, nodes, _optional(item, "current_node", str, where), owner, "chatgpt", where)


def _chatgpt_node(id: str, value: Any, where: str) -> Node:
    if not isinstance(value, dict):
        raise fault(where, f"is {type(value).__name__}, not an object")
    parent = _optional(value, "parent", str, where)
    message = _optional(value, "message", dict, where)
    if message is None:
        return Node(id, parent, "none", "", 0.0)
    author = _need(message, "author", dict, f"{where}.message")
    role = _need(author, "role", str, f"{where}.message.author")
    text = _chatgpt_text(message.get("content"), f"{where}.message.content")
    metadata = message.get("metadata") if isinstance(message.get("metadata"), dict) else {}
    done = message.get("status") != "in_progress"
    return Node(id, parent, role, text, _time(message, "create_time", where), str(metadata.get("model_slug") or ""), done=done)


def _chatgpt_text(content: Any, where: str) -> str:
    if isinstance(content, dict) and not isinstance(content.get("parts"), list):
        for name in ("text", "result", "content"):
            if isinstance(content.get(name), str):
                return content[name]
        return json.dumps(content, ensure_ascii=False)
    return _text(content["parts"] if isinstance(content, dict) else content, where)


def open_webui(item: Mapping[str, Any], owner: Owner, where: str) -> Conversation:
    """One conversation of open-webui: `chat.history.messages`, or in old exports the plain list `chat.messages`."""
    chat = _need(item, "chat", dict, where)
    history = _optional(chat, "history", dict, f"{where}, chat")
    if history is None:
        nodes, current = _listed(_need(chat, "messages", list, f"{where}, chat"), where)
    else:
        messages = _need(history, "messages", dict, f"{where}, chat.history")
        nodes = {id: _webui_node(id, value, f"{where}, chat.history.messages.{id}") for id, value in messages.items()}
        current = _optional(history, "currentId", str, f"{where}, chat.history")
    title = item.get("title") or chat.get("title")
    times = {"title": title, "created_at": item.get("created_at") or chat.get("timestamp"), "updated_at": item.get("updated_at")}
    head = _head(times, item.get("id"), "created_at", "updated_at", bool(item.get("pinned")), where)
    system = _system(chat)
    made = conversation(head, nodes, current, owner, "open-webui", where)
    for turn in made.turns:
        turn.system = turn.system or system
    return made


def _listed(messages: Sequence[Any], where: str) -> tuple[dict[str, Node], str | None]:
    """A plain list is a tree without branches."""
    nodes: dict[str, Node] = {}
    last: str | None = None
    for n, value in enumerate(messages, 1):
        node = _webui_node(str(n), value, f"{where}, chat.messages.{n}")
        node.parent, last = last, str(n)
        nodes[last] = node
    return nodes, last


def _webui_node(id: str, value: Any, where: str) -> Node:
    if not isinstance(value, dict):
        raise fault(where, f"is {type(value).__name__}, not an object")
    role = _need(value, "role", str, where)
    text = _text(value.get("content"), f"{where}.content")
    files = value.get("files")
    if isinstance(files, list) and files:
        text += "\n\n[files] " + json.dumps(files, ensure_ascii=False)
    error = value.get("error")
    words = "" if not error else str(error.get("content") or error) if isinstance(error, dict) else str(error)
    parent = _optional(value, "parentId", str, where)
    done = value.get("done") is not False
    return Node(id, parent, role, text, _time(value, "timestamp", where), str(value.get("model") or ""), words, done)


def _system(chat: Mapping[str, Any]) -> str:
    params = chat.get("params")
    found = (params.get("system") if isinstance(params, dict) else None) or chat.get("system")
    return found if isinstance(found, str) else ""


def _head(item: Mapping[str, Any], id: Any, created: str, updated: str, pinned: bool, where: str) -> Conversation:
    kept = id if isinstance(id, str) and ID.fullmatch(id) else new_id()
    title = cut_title(_optional(item, "title", str, where) or "")
    begun = _time(item, created, where)
    return Conversation(kept, title, begun, _time(item, updated, where) or begun, pinned)


def _text(content: Any, where: str) -> str:
    """A text, or a list of pieces; a piece that is no text is kept as JSON."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(piece for piece in map(_piece, content) if piece)
    raise fault(where, f"is {type(content).__name__}, not a text")


def _piece(piece: Any) -> str:
    if isinstance(piece, str):
        return piece
    if isinstance(piece, dict) and isinstance(piece.get("text"), str):
        return piece["text"]
    return json.dumps(piece, ensure_ascii=False)


def _need(item: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    found = _optional(item, name, kind, where)
    if found is None:
        raise fault(f"{where}, {name}", "is missing")
    return found


def _optional(item: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    found = item.get(name)
    if found is not None and not isinstance(found, kind):
        raise fault(f"{where}, {name}", f"is {type(found).__name__}; it must be {kind.__name__}")
    return found


def _time(item: Mapping[str, Any], name: str, where: str) -> float:
    """Unix seconds; some fields hold milliseconds. 0 when absent."""
    found = item.get(name)
    if found is None:
        return 0.0
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise fault(f"{where}, {name}", f"is {found!r:.80}, which is no time")
    seconds = found / 1000 if MILLISECONDS < found <= 1000 * TIME[1] else found
    if said := wrong(seconds, TIME):
        raise fault(f"{where}, {name}", f"{said} to be a time in seconds")
    return float(seconds)
