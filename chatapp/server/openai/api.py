"""/v1/models and /v1/chat/completions: an OpenAI client talks to the same queue, engine and store as the page.

Off without an API key, bearer key only with one; a login of the page (--auth) neither opens nor closes it. Every reply is a turn owned by
the key; `store: false` keeps it out of the database, and in memory only until it is answered. Where a request names no sampling settings,
ours hold, not OpenAI's.
"""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from chatapp.engines.base import Engine
from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner, owner_of_key
from chatapp.server.body import MAX_COMPLETION, body_of
from chatapp.server.openai.request import Ask, BadField, read, reject_what_is_off
from chatapp.settings import Settings
from chatapp.turn import Turn

if TYPE_CHECKING:
    from chatapp.chat.service import Chat
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot

PING_SECONDS = 15.0
"""Silence after which a stream sends a comment, so that no proxy gives up while the reply waits in the queue."""
RETRY_SECONDS = {429: 5, 503: 2}
FINISH = {"end": "stop", "stop": "stop", "stopped": "stop", "length": "length"}
TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "server_error", 503: "server_error"}
CODES = {401: "invalid_api_key", 413: "context_length_exceeded", 429: "queue_full", 500: "generation_failed", 503: "model_not_ready"}
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

KNOWN = "GET /v1/models, POST /v1/chat/completions"
OFF = "The API is off. Start the app with CHATAPP_API_KEY=<a key of yours> to turn it on."

Handler = Callable[[Request], Awaitable[Response]]


def routes(chat: "Chat", models: "ModelManager", settings: Settings) -> list[Route]:
    """The /v1 routes; without an API key every one of them says how to turn them on."""
    api = Api(chat, models, settings)
    found = [
        Route("/v1/models", api.models, methods=["GET"]),
        Route("/v1/models/{name:path}", api.model, methods=["GET"]),
        Route("/v1/chat/completions", api.completions, methods=["POST"]),
        Route("/v1/{rest:path}", api.nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    front = Route("/v1", api.front, methods=["GET"], include_in_schema=False)
    return [front, *(Route(r.path, guarded(r.endpoint, api), methods=list(r.methods or ()), include_in_schema=False) for r in found)]


def guarded(handler: Handler, api: "Api") -> Handler:
    """The handler behind the key check, with a ChatError as OpenAI's error object."""

    async def endpoint(request: Request) -> Response:
        try:
            api.check_key(request)
            return await handler(request)
        except ChatError as error:
            return error_response(error)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it

    return endpoint


@dataclass(frozen=True)
class Reply:
    """A turn being answered to a request."""

    chat: "Chat"
    ask: Ask
    turn: Turn
    model: str

    async def close(self) -> None:
        """It was read, or the reader is gone: nobody needs the rest, and what `store: false` keeps nowhere is forgotten."""
        if self.turn.running:
            with suppress(NotFound):  # the turn was deleted meanwhile
                await self.chat.stop(self.turn.owner, self.turn.id)
        if not self.ask.keep:
            await self.chat.stores.forget(self.turn.owner, self.turn.conversation_id)

    def body(self, kind: str, choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        head = {"id": f"chatcmpl-{self.turn.id}", "object": kind, "created": int(self.turn.created), "model": self.model}
        return {**head, "system_fingerprint": None, "choices": choices, **more}


class Api:
    """The handlers, and who they answer for."""

    def __init__(self, chat: "Chat", models: "ModelManager", settings: Settings) -> None:
        self.chat = chat
        self.manager = models
        self.settings = settings
        self.started = int(time.time())
        key = settings.api_key.get_secret_value()
        self.key_hash = hashlib.sha256(key.encode()).digest() if key else None
        self.owner = owner_of_key(key) if key else Owner("")

    def check_key(self, request: Request) -> None:
        """Raises ChatError: 404 while the API is off, 401 for a wrong or missing key."""
        if self.key_hash is None:
            raise ChatError(OFF, status=404)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(hashlib.sha256(given.strip().encode()).digest(), self.key_hash)
        if scheme.lower() != "bearer" or not right:
            raise ChatError("The API key is missing or wrong. Send it as Authorization: Bearer <key>.", status=401)

    async def front(self, request: Request) -> Response:
        """What a person reads who opens the base URL; it needs no key."""
        how = OFF if self.key_hash is None else f"Here are {KNOWN}; send your key as Authorization: Bearer <key>."
        return JSONResponse({"message": f"This is the base URL of an OpenAI-compatible API. {how}"})

    async def models(self, request: Request) -> Response:
        return JSONResponse({"object": "list", "data": [self.described(slot) for slot in self.manager.slots()]})

    async def model(self, request: Request) -> Response:
        return JSONResponse(self.described(self.find(request.path_params["name"])))

    async def nothing_here(self, request: Request) -> Response:
        raise ChatError(f"There is no {request.method} {request.url.path} here. There are: {KNOWN}.", status=404)

    async def completions(self, request: Request) -> Response:
        ask = read(await body_of(request, MAX_COMPLETION))
        slot = self.find(ask.model)
        reject_what_is_off(ask, (await self.loaded(slot)).capabilities)
        how: dict[str, Any] = {"system": ask.system, "sampling": ask.sampling, "history": ask.history, "keep": ask.keep}
        turn = await self.chat.send(self.owner, ask.text, model=slot.id, **how)
        reply = Reply(self.chat, ask, turn, slot.id)
        return streamed(reply) if ask.stream else await whole(reply, request)

    def find(self, name: str | None) -> "ModelSlot":
        """The model that a request names: by id, as `default` or by a short name that only one has; no name means the first.

        Raises BadField: 404 says which models there are, 400 which have that name.
        """
        try:
            return self.manager.find(name or "")
        except ChatError as error:
            code = "model_not_found" if error.status == 404 else "model_ambiguous"
            raise BadField(str(error), "model", code=code, status=error.status) from error

    async def loaded(self, slot: "ModelSlot") -> Engine:
        """Its engine; one that is known and not in memory is loaded first, where that is allowed. Raises ChatError 503."""
        if slot.state == "unloaded":
            if slot is not self.manager.first and not self.settings.api_loads:
                raise ChatError(f"{slot.id} is not loaded, and --api-load is off: choose it on the page first.", status=503)
            slot.wake()
        if slot.state == "loading" and slot is not self.manager.first:
            return await slot.wait_ready()
        return slot.engine

    def described(self, slot: "ModelSlot") -> dict[str, Any]:
        """One model of the list; `status` says whether it is in memory."""
        about = {"id": slot.id, "object": "model", "created": self.started, "owned_by": "chatapp", "status": slot.state}
        return {**about, "max_model_len": slot.known.context} if slot.known else about


async def whole(reply: Reply, request: Request) -> Response:
    """The answer in one piece; a client that hangs up first stops the generation."""
    reading = asyncio.create_task(final(reply))
    gone = asyncio.create_task(disconnected(request))
    try:
        await asyncio.wait({reading, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise ClientDisconnect
        turn = reading.result()
    finally:
        gone.cancel()
        reading.cancel()
        await reply.close()
    if error := failure(turn):
        raise error
    choice = {"index": 0, "message": {"role": "assistant", "content": turn.reply_text}, "finish_reason": FINISH[turn.finish_reason]}
    return JSONResponse(reply.body("chat.completion", [{**choice, "logprobs": None}], usage=usage(turn)))


async def final(reply: Reply) -> Turn:
    """The turn when it is done."""
    turn = reply.turn
    async for live in reply.chat.follow(turn.owner, turn.id):
        turn = live
    return turn


async def disconnected(request: Request) -> None:
    """Returns when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def streamed(reply: Reply) -> Response:
    """Server-sent events. The task after them runs also when the reader hangs up in the middle: that is what stops the engine."""
    turns = pinged(reply.chat.follow(reply.turn.owner, reply.turn.id), PING_SECONDS)
    after = BackgroundTask(stop_after, reply, turns)
    return StreamingResponse(events(reply, turns), media_type="text/event-stream", headers=STREAM_HEADERS, background=after)


async def stop_after(reply: Reply, turns: AsyncGenerator[Turn | None]) -> None:
    await turns.aclose()
    await reply.close()


async def events(reply: Reply, turns: AsyncIterator[Turn | None]) -> AsyncIterator[str]:
    """The lines of a stream: role, text as it comes, why it ended, usage if asked for, [DONE]."""
    more = {"usage": None} if reply.ask.include_usage else {}

    def chunk(delta: dict[str, str], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return line(reply.body("chat.completion.chunk", [choice], **more))

    yield chunk({"role": "assistant", "content": ""})
    sent, last = 0, reply.turn
    async for live in turns:
        if live is None:
            yield ": waiting\n\n"
        elif text := live.reply_text[sent:]:
            sent += len(text)
            yield chunk({"content": text})
        last = live or last
    if error := failure(last):
        yield line({"error": error_object(error)})
    else:
        yield chunk({}, FINISH[last.finish_reason])
        if reply.ask.include_usage:
            yield line(reply.body("chat.completion.chunk", [], usage=usage(last)))
    yield "data: [DONE]\n\n"


async def pinged(source: AsyncGenerator[Turn], seconds: float) -> AsyncGenerator[Turn | None]:
    """The items of `source`, and None every so many seconds before the first with a token; after it they come often enough.

    An item without a token makes no line of the stream (somebody else's place in the queue changed), so it puts nothing off.
    """
    coming, due = asyncio.ensure_future(anext(source, None)), time.monotonic() + seconds
    try:
        while True:
            await asyncio.wait({coming}, timeout=max(0.0, due - time.monotonic()))
            if time.monotonic() >= due:
                yield None
                due = time.monotonic() + seconds
            if not coming.done():
                continue
            if (item := coming.result()) is None:
                return
            yield item
            if item.reply_ids or item.reply_text:
                break
            coming = asyncio.ensure_future(anext(source, None))
    finally:
        coming.cancel()
    async with aclosing(source):
        async for item in source:
            yield item


def line(value: dict[str, Any]) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def usage(turn: Turn) -> dict[str, Any]:
    """Counts of ids, as the model saw and made them; of another server's reply what that counted."""
    prompt, completion = len(turn.prompt_ids) or turn.counted("prompt_tokens"), turn.tokens
    counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {**counts, "prompt_tokens_details": {"cached_tokens": turn.cached_prompt_tokens}}


def failure(turn: Turn) -> ChatError | None:
    """Why the reply failed, if it did."""
    if turn.finish_reason in FINISH:
        return None
    return ChatError(turn.error or "The server is shutting down; the reply was interrupted.", status=500)


def error_response(error: ChatError) -> JSONResponse:
    """OpenAI's error object with the status, and when to try again where that helps."""
    headers = {"Retry-After": str(RETRY_SECONDS[error.status])} if error.status in RETRY_SECONDS else {}
    headers |= {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    return JSONResponse({"error": error_object(error)}, status_code=error.status, headers=headers)


def error_object(error: ChatError) -> dict[str, Any]:
    """{"message", "type", "param", "code"}"""
    kind = TYPES.get(error.status, "invalid_request_error")
    code = getattr(error, "code", None) or CODES.get(error.status)
    return {"message": str(error), "type": kind, "param": getattr(error, "param", None), "code": code}
