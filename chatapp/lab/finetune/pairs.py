"""Chats to learn from: .jsonl with messages in OpenAI's form, or prompt and reply; .csv with these columns. Each fault names its line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.train import files
from chatapp.turn import Message

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
PROMPT, REPLY = "prompt", "reply"
FORM = '{"prompt": "…", "reply": "…"} or {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'


@dataclass(frozen=True)
class Chat:
    """Messages that end with a reply. `where` says where they come from, for people."""

    messages: tuple[Message, ...]
    where: str

    @property
    def asked(self) -> tuple[Message, ...]:
        """All but the last reply."""
        return self.messages[:-1]

    @property
    def reply(self) -> str:
        """The last one."""
        return self.messages[-1].content


def read(path: Path) -> list[Chat]:
    """The chats of a file, at least one. Raises ChatError for a file, a line or a column that is none."""
    readers = {".jsonl": _jsonl, ".csv": _csv}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ChatError(f"{path.name} is neither .jsonl nor .csv. Give pairs as lines of {FORM}, or as columns prompt, reply.", status=422)
    found = list(reader(path, files.text_of(path)))
    if not found:
        raise ChatError(f"{path.name} holds no pair. Give lines of {FORM}, or rows below the columns prompt, reply.", status=422)
    return found


def _jsonl(path: Path, text: str) -> Iterator[Chat]:
    for number, value in files.json_lines(path, text):
        where = f"{path.name}, line {number:,}"
        yield chat(_messages(value, where), where)


def _csv(path: Path, text: str) -> Iterator[Chat]:
    names, rows = files.table(path, text)
    if missing := [name for name in (PROMPT, REPLY) if name not in names]:
        raise ChatError(
            f"{path.name} has no column {' and no column '.join(missing)}. Its columns are {', '.join(names)[:300] or 'none'}. "
            "Name them prompt and reply.",
            status=422,
        )
    places = names.index(PROMPT), names.index(REPLY)
    for number, row in rows:
        if any(cell.strip() for cell in row):
            where = f"{path.name}, line {number:,}"
            prompt, reply = (row[place] if place < len(row) else "" for place in places)
            yield chat([Message("user", prompt), Message("assistant", reply)], where)


def _messages(value: Any, where: str) -> list[Message]:
    """Of one line."""
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return [_message(one, where) for one in value["messages"]]
    if isinstance(value, dict) and isinstance(value.get(PROMPT), str) and isinstance(value.get(REPLY), str):
        return [Message("user", value[PROMPT]), Message("assistant", value[REPLY])]
    fields = (
        f"its fields are {', '.join(map(str, value))[:200] or 'none'}" if isinstance(value, dict) else f"it is a {type(value).__name__}"
    )
    raise ChatError(f"{where} is no pair: {fields}. Write {FORM}.", status=422)


def _message(value: Any, where: str) -> Message:
    role, content = (value.get("role"), value.get("content")) if isinstance(value, dict) else (None, None)
    if not isinstance(role, str) or role not in ROLES:
        raise ChatError(f"{where}: a message has the role {str(role)[:40]!r}. Taken are {', '.join(ROLES)}.", status=422)
    if not isinstance(content, str):
        raise ChatError(
            f"{where}: the content of a {role} message is no text. Pictures and calls of tools are not learned here.", status=422
        )
    return Message(ROLES[role], content)


def chat(messages: list[Message], where: str) -> Chat:
    """Up to its last reply, replies without spaces around them: these would melt into the tokens of the prompt, which ends before them.

    Raises ChatError where there is no reply, or where something that should have words is empty.
    """
    last = max((n for n, message in enumerate(messages) if message.role == "assistant"), default=-1)
    if last < 0:
        raise ChatError(f"{where} has no reply (no message of the role assistant), so there is nothing to learn in it.", status=422)
    kept = tuple(Message(one.role, one.content.strip() if one.role == "assistant" else one.content) for one in messages[: last + 1])
    if empty := next((message.role for message in kept if not message.content.strip()), None):
        raise ChatError(f"{where}: {'the reply' if empty == 'assistant' else f'the {empty} message'} is empty.", status=422)
    if not any(message.role == "user" for message in kept[:last]):
        raise ChatError(f"{where}: nobody asks before the reply. A pair has a prompt and a reply.", status=422)
    return Chat(kept, where)
