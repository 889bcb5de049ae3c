"""POST /xray/look: one question about a recorded turn, answered as lines of JSON until it is done. Reading no further ends the work.

Not a Gradio event: the answers of two of those meet in one component, where the page sees only the later one.
"""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatapp import strict_json
from chatapp.errors import ChatError
from chatapp.resident.admission import asked_from, handed_on
from chatapp.server.door import owner_asking
from chatapp.server.security import address_of, came_by_proxy

if TYPE_CHECKING:
    from chatapp.xray.service import XrayService

PATH = "/xray/look"
MAX_BODY = 1_000_000
LINES = "application/x-ndjson"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def routes(service: "XrayService") -> list[Route]:
    """The one route of X-ray."""

    async def look(request: Request) -> Response:
        try:
            question = await question_of(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        if question is None:
            return refused(f"X-ray takes a question of at most {MAX_BODY:,} bytes of JSON.", 400)
        try:
            owner = owner_asking(request, question.get("session"))
        except ChatError as error:
            return refused(str(error), error.status)
        asked_from.set(address_of(request, owner))
        handed_on.set(came_by_proxy(request))
        return StreamingResponse(lines(service, question, owner), media_type=LINES, headers=HEADERS)

    return [Route(PATH, look, methods=["POST"], include_in_schema=False)]


def refused(sentence: str, status: int) -> Response:
    """One line that says why."""
    return Response(line({"error": sentence}), status, media_type=LINES)


async def question_of(request: Request) -> dict[str, Any] | None:
    """The body, or None where it is no JSON object or too large."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    try:
        question = strict_json.parsed(bytes(body))
    except ValueError:
        return None
    return question if isinstance(question, dict) else None


async def lines(service: "XrayService", question: dict[str, Any], owner: str) -> AsyncIterator[str]:
    """Each answer on a line of its own."""
    async with aclosing(service.look(question, owner)) as answers:
        async for answer in answers:
            yield line(answer)


def line(answer: dict[str, Any]) -> str:
    return json.dumps(answer, separators=(",", ":")) + "\n"
