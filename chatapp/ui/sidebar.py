"""The list of conversations: search, rename, pin, delete with undo, export, import. The page groups it by the visitor's days."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import date
from typing import Any

import gradio as gr

from chatapp import loose, transfer
from chatapp.chat import Chat
from chatapp.errors import ChatError
from chatapp.store import Store
from chatapp.ui.polite import polite
from chatapp.ui.widgets import sent
from chatapp.web.security import owner_of

MAX_TITLE = 200


class Sidebar:
    """Handlers of the list. Every answer is the whole list as one value; the page draws it."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.store = chat.store
        self.doing: dict[str, Callable[[str, dict[str, str]], Awaitable[dict[str, Any] | None]]] = {
            "list": self.nothing,
            "rename": self.rename,
            "pin": self.pin,
            "unpin": self.unpin,
            "delete": self.delete,
            "restore": self.restore,
            "erase": self.erase,
            "export": self.export,
            "import": self.bring,
        }

    async def rows(self, owner: str, query: str = "") -> dict[str, Any]:
        """The list's value: rows newest first, with the query that they answer."""
        found = await asyncio.to_thread(self.store.conversations, owner, query)
        return {"query": query, "rows": [asdict(summary) for summary in found]}

    async def manage(self, event: gr.EventData, request: gr.Request) -> str:
        """Do one thing to the list and answer with it."""
        owner, data = owner_of(request), event._data if isinstance(event._data, dict) else {}
        ask = {name: loose.text(value) for name, value in data.items() if isinstance(value, str)}
        more = await self.do(owner, ask)
        answer = {"nonce": ask.get("nonce", ""), "did": ask.get("do", ""), "ok": more is not None}
        return sent({**(await self.rows(owner, ask.get("query", ""))), **answer, **(more or {})})

    @polite
    async def do(self, owner: str, ask: dict[str, str]) -> dict[str, Any]:
        """One action. What it returns is added to the answer."""
        if ask.get("do") not in self.doing:
            raise ChatError("The page asked for something this version does not know. Reload the page.")
        return await self.doing[ask["do"]](owner, ask) or {}

    async def nothing(self, owner: str, ask: dict[str, str]) -> None:
        """Only the list."""

    async def rename(self, owner: str, ask: dict[str, str]) -> None:
        title = " ".join(ask.get("title", "").split())[:MAX_TITLE]
        if not title:
            raise ChatError("A title cannot be empty. The old one stays.")
        await asyncio.to_thread(self.store.rename, owner, ask.get("id", ""), title)

    async def pin(self, owner: str, ask: dict[str, str]) -> None:
        await asyncio.to_thread(self.store.pin, owner, ask.get("id", ""), True)

    async def unpin(self, owner: str, ask: dict[str, str]) -> None:
        await asyncio.to_thread(self.store.pin, owner, ask.get("id", ""), False)

    async def delete(self, owner: str, ask: dict[str, str]) -> dict[str, Any]:
        await self.chat.stop_all(owner, ask.get("id", ""))
        await asyncio.to_thread(self.store.delete, owner, ask.get("id", ""))
        return {"deleted": ask.get("id", "")}

    async def restore(self, owner: str, ask: dict[str, str]) -> dict[str, Any]:
        await asyncio.to_thread(self.store.restore, owner, ask.get("id", ""))
        return {"restored": ask.get("id", "")}

    async def erase(self, owner: str, ask: dict[str, str]) -> dict[str, Any]:
        """Everything of this visitor, temporary chats too."""
        await self.chat.stop_all(owner)
        await self.chat.shelves.erase(owner)
        self.chat.meter.forget(owner)
        return {"erased": True}

    async def export(self, owner: str, ask: dict[str, str]) -> dict[str, Any]:
        """A file for the browser to save: one conversation, or all of the list without an id; a temporary chat is in no file."""
        name, text = await asyncio.to_thread(exported, self.store, owner, ask.get("id") or None, ask.get("format", ""))
        return {"download": {"name": name, "text": text}}

    async def bring(self, owner: str, ask: dict[str, str]) -> dict[str, Any]:
        """Import a file's text. Nothing is imported unless all of it is understood."""
        done = await asyncio.to_thread(transfer.import_file, self.store, owner, ask.get("text", "").encode("utf-8", "surrogatepass"))
        return {"imported": len(done.ids), "known": len(done.known), "first": next(iter((*done.ids, *done.known)), None), "brought": True}


def exported(store: Store, owner: str, conversation: str | None, kind: str) -> tuple[str, str]:
    """(file name, text) of one or all conversations. Raises ChatError for an unknown kind."""
    text = "".join(transfer.export(store, owner, kind, conversation))
    what = store.summary(owner, conversation).title if conversation else "chats"
    name = re.sub(r"[^\w-]+", "-", what).strip("-")[:60] or "chat"
    return f"{name}-{date.today().isoformat()}{transfer.SUFFIXES[kind]}", text
