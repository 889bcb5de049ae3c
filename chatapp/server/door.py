"""The door between a page and the server: POST /ui/<action> with a JSON body, answered by JSON or by lines of JSON until the work is done.

It knows no page: pages add their actions. Who asks is found from login or cookie, once; an error has one shape,
{"error": {"message", "status", "code"}}, as an answer of its own or as the last line.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatapp import strict_json
from chatapp.chat.job import sentence
from chatapp.errors import ChatError
from chatapp.identity import Owner, address_of, owner_of
from chatapp.resident.admission import asked_by, asked_from, handed_on
from chatapp.server.body import MAX_ACTION, body_of
from chatapp.server.security import came_by_proxy
from chatapp.server.session import name_in

LINES = "application/x-ndjson"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
CODES = {401: "login", 404: "not_found", 409: "conflict", 413: "too_large", 429: "busy", 503: "not_ready", 507: "not_saved"}

Asked = dict[str, Any]
Action = Callable[[Owner, Asked], Awaitable[Asked]]
Stream = Callable[[Owner, Asked], AsyncIterator[Asked]]


class Door:
    """`actions` answer once, `streams` in lines; both are called with the owner and the body's values."""

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.streams: dict[str, Stream] = {}

    def routes(self) -> list[Route]:
        return [Route("/ui/{name}", self.enter, methods=["POST"], include_in_schema=False)]

    async def enter(self, request: Request) -> Response:
        """One request. Closing the connection ends a stream and the work behind it."""
        (answer,) = await asyncio.gather(self.answer(request), return_exceptions=True)  # a failure is one more answer
        if isinstance(answer, ClientDisconnect):
            return Response(status_code=400)  # nobody is left to read it
        return refused(answer) if isinstance(answer, BaseException) else answer

    async def answer(self, request: Request) -> Response:
        asked = read(await body_of(request, MAX_ACTION))
        owner = owner_asking(request, asked.get("session"))
        remember_from(request, owner)
        name = request.path_params["name"]
        if stream := self.streams.get(name):
            return StreamingResponse(streamed(request, owner, stream(owner, asked)), media_type=LINES, headers=HEADERS)
        if action := self.actions.get(name):
            return answered(await action(owner, asked))
        raise ChatError(f"The page asked for {name!r}, which this version of the server does not know. Reload the page.", status=404)


def answered(answer: Asked, status: int = 200) -> Response:
    return Response(line(answer), status, HEADERS, media_type="application/json")


def refused(error: BaseException) -> Response:
    said = refusal(error)
    return answered(said, said["error"]["status"])


def remember_from(request: Request, owner: Owner) -> None:
    """Who asks, and from where: for the queue, for what is begun, and for what only the person at this machine may do."""
    asked_by.set(owner)
    asked_from.set(address_of(request.client.host if request.client else "", owner))
    handed_on.set(came_by_proxy(request))


async def streamed(request: Request, owner: Owner, answers: AsyncIterator[Asked]) -> AsyncIterator[str]:
    """The lines of an answer. They are made in another task than the one in which the request was read, with a context of its own."""
    remember_from(request, owner)
    async with aclosing(lines(answers)) as made:
        async for one in made:
            yield one


async def lines(answers: AsyncIterator[Asked]) -> AsyncIterator[str]:
    """Each answer on a line of its own; a failure is the last one: a stream that is only cut tells the page nothing."""
    async with aclosing(answers):
        while True:
            (answer,) = await asyncio.gather(anext(answers, None), return_exceptions=True)
            if answer is None:
                return
            if isinstance(answer, BaseException):
                yield line(refusal(answer))
                return
            yield line(answer)


def line(answer: Asked) -> str:
    """JSON on one line. Rows of earlier versions may hold half surrogate pairs, which no answer can carry."""
    return strict_json.text(json.dumps(answer, ensure_ascii=False, separators=(",", ":"))) + "\n"


def refusal(error: BaseException) -> Asked:
    """What the page is told; anything but a ChatError also goes to the log."""
    status = error.status if isinstance(error, ChatError) else 500
    return {"error": {"message": sentence(error, "the server was answering"), "status": status, "code": CODES.get(status, "refused")}}


def read(body: bytes) -> Asked:
    """The values of a JSON object. Raises ChatError for anything else."""
    try:
        asked = strict_json.parsed(body or b"{}")
    except ValueError as error:
        raise ChatError(f"The request is not readable as JSON: {error}. Reload the page.", status=400) from error
    if not isinstance(asked, dict):
        raise ChatError("The request is no JSON object. Reload the page.", status=400)
    return asked


def owner_asking(request: Request, session: object) -> Owner:
    """Who asks; `session` names a tab whose browser keeps no cookies.

    Raises ChatError 401 for nobody where a login is needed.
    """
    name = name_in(request)
    if request.app.auth is not None and name is None:
        raise ChatError("You are not logged in any more. Reload the page to log in; what you typed stays here.", status=401)
    named = session if isinstance(session, str) else None
    return owner_of(login=name, cookie=request.headers.get("cookie", ""), session=named)
