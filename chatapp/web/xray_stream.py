"""POST /xray/look: one question about a recorded turn, answered as lines of JSON until it is done. Reading no further ends the work.

Not a Gradio event: the answers of two of those meet in one component, where the page sees only the later one.
"""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatapp import loose
from chatapp.admission import asked_from
from chatapp.web.security import address_of, owner_of

if TYPE_CHECKING:
    from chatapp.xray.looks import Looks

PATH = "/xray/look"
MAX_BODY = 1_000_000
LINES = "application/x-ndjson"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def routes(looks: "Looks") -> list[Route]:
    """The one route of X-ray."""

    async def look(request: Request) -> Response:
        try:
            question = await question_of(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        if question is None:
            return refused(f"X-ray takes a question of at most {MAX_BODY:,} bytes of JSON.", 400)
        if (asker := asker_of(request, question)) is None:
            return refused("You are not logged in any more. Reload the page.", 401)
        owner = owner_of(asker)
        asked_from.set(address_of(request, owner))
        return StreamingResponse(lines(looks, question, owner), media_type=LINES, headers=HEADERS)

    return [Route(PATH, look, methods=["POST"], include_in_schema=False)]


@dataclass(frozen=True)
class Asker:
    """What owner_of looks at."""

    headers: dict[str, str]
    username: str | None
    session_hash: str | None


def asker_of(request: Request, question: dict[str, Any]) -> Asker | None:
    """Who asks, as Gradio's own get_current_user finds it; None for nobody where a login is needed."""
    app, session = request.app, question.get("session")
    tokens = (request.cookies.get(f"access-token-{kind}{app.cookie_id}") for kind in ("", "unsecure-"))
    name = next((app.tokens[token] for token in tokens if token in app.tokens), None)
    if app.auth is not None and name is None:
        return None
    return Asker(dict(request.headers), name, session if isinstance(session, str) and session else None)


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
        question = loose.parsed(bytes(body))
    except ValueError:
        return None
    return question if isinstance(question, dict) else None


async def lines(looks: "Looks", question: dict[str, Any], owner: str) -> AsyncIterator[str]:
    """Each answer on a line of its own."""
    async with aclosing(looks.look(question, owner)) as answers:
        async for answer in answers:
            yield line(answer)


def line(answer: dict[str, Any]) -> str:
    return json.dumps(answer, separators=(",", ":")) + "\n"
