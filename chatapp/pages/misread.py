"""What Gradio's doors answer to requests that it cannot read, and whose exceptions it lets out: one sentence each."""

from collections.abc import Awaitable, Callable

from fastapi.exceptions import HTTPException, RequestValidationError
from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

EVENTS = ("/gradio_api/queue/join", "/gradio_api/call/")


def handlers() -> dict[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]]:
    """For launch(app_kwargs={"exception_handlers": …})."""
    return {RequestValidationError: unreadable, FnIndexInferError: no_event, KeyError: no_event}


async def unreadable(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's own answer repeats the body, and fails where that is no text or holds NaN."""
    sentence = f"{request.url.path} could not read the request: it takes a JSON object with the fields that Gradio's clients send."
    return JSONResponse({"detail": sentence}, status_code=422)


async def no_event(request: Request, error: Exception) -> JSONResponse:
    """The event that a client named is looked up without a check: KeyError of an unknown number, the other one of an unknown name."""
    if not request.url.path.startswith(EVENTS):
        raise error
    return JSONResponse({"detail": "There is no such event here. Reload a page that stems from an older version."}, status_code=404)


class Told:
    """Ends a stream of Gradio's that has told its client that the session or event is unknown, and then raises the same."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            if not isinstance(error.__cause__, HTTPException):
                raise
            await send({"type": "http.response.body", "body": b""})
