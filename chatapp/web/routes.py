"""Everything the server answers beside the pages, and what it answers to a body that Gradio cannot read."""

from collections.abc import Awaitable, Callable

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.settings import Settings
from chatapp.web import closed, health, openai_api, xray_stream
from chatapp.xray.looks import Looks


def routes(chat: Chat, resident: Resident, settings: Settings) -> list[Route]:
    """For launch(app_kwargs={"routes": …})."""
    return [
        *closed.routes(),
        *health.routes(resident),
        *openai_api.routes(chat, resident, settings),
        *xray_stream.routes(Looks(chat, resident)),
    ]


def handlers() -> dict[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]]:
    """For launch(app_kwargs={"exception_handlers": …})."""
    return {RequestValidationError: misread}


async def misread(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own answer repeats the body, and fails where that is no text or holds NaN."""
    sentence = f"{request.url.path} could not read the request: it takes a JSON object with the fields that Gradio's clients send."
    return JSONResponse({"detail": sentence}, status_code=422)
