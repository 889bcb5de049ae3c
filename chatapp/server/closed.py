"""Gradio's doors that this app never uses: through them strangers could fill the disk, or have replies written that nobody reads."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

FILES = "This app takes no files here. The page's Import reads a file of conversations; /chat and /v1 take text."
CALLS = "Replies are not written here. Programs use gradio_client's /chat, or /v1 with a key."
CLOSED = {
    "/gradio_api/upload": FILES,
    "/gradio_api/upload_progress": FILES,
    "/gradio_api/process_recording": FILES,
    "/gradio_api/component_server": FILES,
    "/gradio_api/component_server/": FILES,
    "/gradio_api/deep_link": FILES,
    "/gradio_api/stream/{rest:path}": FILES,
    "/gradio_api/run/{name:path}": CALLS,
    "/gradio_api/api/{name:path}": CALLS,
}


def routes() -> list[Route]:
    """They come before Gradio's own, which have the same paths."""
    return [Route(path, refusing(sentence), methods=["GET", "POST"], include_in_schema=False) for path, sentence in CLOSED.items()]


def refusing(sentence: str) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def refuse(request: Request) -> JSONResponse:
        return JSONResponse({"detail": sentence}, status_code=403)

    return refuse
