"""GET /login/huggingface and /login/callback: a visitor of a Space signs in with Hugging Face, and comes back to the page Models."""

import asyncio
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from chatapp.errors import ChatError
from chatapp.identity import visitor_token
from chatapp.models.sign_in import BACK, START, SignIns
from chatapp.server.door import owner_asking
from chatapp.server.session import name_in

PAGE = "../models"


def routes(signing: SignIns | None) -> list[Route]:
    """None where nobody can sign in."""
    if signing is None:
        return []

    async def begin(request: Request) -> Response:
        """A browser without a cookie gets one with the page first: who comes back is known by it."""
        if name_in(request) is None and visitor_token(request.headers.get("cookie", "")) is None:
            return RedirectResponse(PAGE, 303)
        try:
            return RedirectResponse(await asyncio.to_thread(signing.begin, owner_asking(request, None)), 303)
        except ChatError as error:
            return sentence(error)

    async def back(request: Request) -> Response:
        said = request.query_params
        refused = said.get("error_description") or said.get("error") or ""
        try:
            owner = owner_asking(request, None)
            await asyncio.to_thread(signing.end, owner, said.get("state", ""), said.get("code", ""), refused)
        except ChatError as error:
            return sentence(error)
        return RedirectResponse(PAGE, 303, headers={"Cache-Control": "no-store"})

    return [Route(START, begin, include_in_schema=False), Route(BACK, back, include_in_schema=False)]


def sentence(error: ChatError) -> HTMLResponse:
    """In place of a page."""
    words = f'<!doctype html><html lang="en"><title>Not signed in</title><p>{escape(str(error))}</p><p><a href="{PAGE}">Models</a></p>'
    return HTMLResponse(words, error.status, headers={"Cache-Control": "no-store"})
