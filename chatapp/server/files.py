"""Conversations as files: GET /ui/export streams one, POST /ui/import takes one in."""

import asyncio
import re
from collections.abc import Iterator
from datetime import date
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatapp import strict_json, transfer
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.server.body import body_of
from chatapp.server.door import HEADERS, answered, owner_asking, refusal, refused
from chatapp.store import Store


def routes(store: Store) -> list[Route]:
    """Both, for launch(app_kwargs={"routes": …}). A temporary chat is in no file."""

    async def export(request: Request) -> Response:
        asked = request.query_params
        try:
            owner = owner_asking(request, asked.get("session"))
            name, text = await asyncio.to_thread(exported, store, owner, asked.get("id") or None, strict_json.text(asked.get("format", "")))
        except ChatError as error:
            said = refusal(error)
            return Response(said["error"]["message"] + "\n", said["error"]["status"], HEADERS, media_type="text/plain")
        headers = {**HEADERS, "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
        return StreamingResponse(text, headers=headers, media_type="application/octet-stream")

    async def bring(request: Request) -> Response:
        try:
            owner = owner_asking(request, request.query_params.get("session"))
            data = await body_of(request, transfer.MAX_BYTES)
            done = await asyncio.to_thread(transfer.import_file, store, owner, data)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except ChatError as error:
            return refused(error)
        return answered({"imported": len(done.ids), "known": len(done.known), "newest": done.newest})

    return [Route("/ui/export", export, include_in_schema=False), Route("/ui/import", bring, methods=["POST"], include_in_schema=False)]


def exported(store: Store, owner: Owner, conversation: str | None, kind: str) -> tuple[str, Iterator[str]]:
    """(file name, pieces of text) of one or all conversations. Raises ChatError for an unknown kind."""
    pieces = transfer.export(store, owner, kind, conversation)
    what = store.conversations.summary(owner, conversation).title if conversation else "chats"
    name = re.sub(r"[^\w-]+", "-", what).strip("-")[:60] or "chat"
    return f"{name}-{date.today().isoformat()}{transfer.SUFFIXES[kind]}", map(strict_json.text, pieces)
