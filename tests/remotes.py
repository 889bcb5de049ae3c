"""A small real server that speaks OpenAI's protocol, with the manners of those that there are: each test says which it has."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

HELLO = ("Hello", " ", "world")


def say(**delta: Any) -> dict[str, Any]:
    """A piece of a reply."""
    return {"model": "org/far", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def over(reason: str = "stop", **more: Any) -> dict[str, Any]:
    """The piece that ends one."""
    return {"model": "org/far", "choices": [{"index": 0, "delta": {}, "finish_reason": reason, **more}]}


def counts(prompt: int, completion: int) -> dict[str, Any]:
    """The piece with the numbers."""
    return {"model": "org/far", "choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}}


class FakeRemote:
    """Answers with `pieces`, then [DONE] where `done`. Everything is changed by the test.

    models      rows of /v1/models; `listing` is another answer for it
    key         that a request must bear; '' for none
    unknown     fields that are refused with 422, as `detail` or in another of the three shapes (`shape`)
    held        the reply begins when this is set
    hold_after  so many pieces come, and the rest when `held` is set; mute: not even headers come before
    breaks      the connection ends after the pieces, as when a process dies
    prefix      before each line of data, and `end` between them
    asked, keys, paths   what came: bodies, Authorization headers, paths
    gone        is set when a client left in the middle
    """

    def __init__(self) -> None:
        self.models: list[dict[str, Any]] = [{"id": "org/far", "object": "model", "max_model_len": 2000}]
        self.listing: Response | None = None
        self.answer: Response | None = None
        self.pieces: list[Any] = [*(say(content=word) for word in HELLO), over(), counts(40, 3)]
        self.done, self.breaks = True, False
        self.key, self.unknown, self.shape = "", (), "detail"
        self.prefix, self.end = "data: ", "\n\n"
        self.held, self.gone = threading.Event(), threading.Event()
        self.held.set()
        self.hold_after, self.mute = 0, False
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.url = ""

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/v1")

    async def listed(self, request: Request) -> Response:
        if refusal := self.noted(request):
            return refusal
        return self.listing or JSONResponse({"object": "list", "data": self.models})

    async def completions(self, request: Request) -> Response:
        if refusal := self.noted(request):
            return refusal
        body = json.loads(await request.body())
        self.asked.append(body)
        if wrong := [name for name in self.unknown if name in body]:
            return self.refusal(f"Unexpected fields in the request: {wrong}")
        while self.mute and not self.held.is_set():
            if await request.is_disconnected():
                self.gone.set()
                return Response()
            await asyncio.sleep(0.01)
        return self.answer or StreamingResponse(self.stream(), media_type="text/event-stream")

    async def moved(self, request: Request) -> Response:
        self.noted(request)
        return RedirectResponse("/v1/models", status_code=307)

    def noted(self, request: Request) -> Response | None:
        self.paths.append(request.url.path)
        self.keys.append(request.headers.get("authorization"))
        if self.key and self.keys[-1] != f"Bearer {self.key}":
            return JSONResponse({"error": {"message": f"Wrong key {self.keys[-1]}", "code": 401}}, status_code=401)
        return None

    def refusal(self, words: str) -> Response:
        shapes: dict[str, Any] = {"detail": {"detail": words}, "text": {"error": words}, "object": {"error": {"message": words}}}
        return JSONResponse(shapes[self.shape], status_code=422)

    async def stream(self) -> AsyncIterator[str]:
        try:
            for number, piece in enumerate(self.pieces):
                while number >= self.hold_after and not self.held.is_set():  # noqa: ASYNC110  a thread sets it
                    await asyncio.sleep(0.01)
                yield piece if isinstance(piece, str) else f"{self.prefix}{json.dumps(piece)}{self.end}"
            if self.breaks:
                raise ConnectionAbortedError("as if the process had died")
            if self.done:
                yield f"{self.prefix}[DONE]{self.end}"
        except asyncio.CancelledError:
            self.gone.set()
            raise


@contextmanager
def remote() -> Iterator[FakeRemote]:
    """It listens on a free port of 127.0.0.1 until the block ends."""
    fake = FakeRemote()
    routes = [
        Route("/v1/models", fake.listed),
        Route("/v1/chat/completions", fake.completions, methods=["POST"]),
        Route("/moved/models", fake.moved),
        Route("/moved/chat/completions", fake.moved, methods=["POST"]),
    ]
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        fake.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_level="critical", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                thread.join(0.005)
            yield fake
        finally:
            fake.held.set()
            server.should_exit = True
            thread.join()
