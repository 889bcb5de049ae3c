"""A real server for tests: Gradio's launch() on a free loopback port with our routes and middleware, closed again without a trace.

with serve(engine) as site:
    httpx2.get(f"{site.url}/healthz")
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import Route

from chatapp.chat.service import Chat
from chatapp.lab.kept import all_runs
from chatapp.lab.train.runs import all_runs as all_trainings
from chatapp.pages.blocks import Page
from chatapp.pages.misread import handlers
from chatapp.pages.routes import routes
from chatapp.pages.start import shutdown
from chatapp.resident.manager import ModelManager
from chatapp.server import auth, security
from chatapp.settings import Settings
from chatapp.store import Store

T = TypeVar("T")


@dataclass
class Site:
    """A running server. `on_loop` runs a coroutine where the jobs run."""

    url: str
    chat: Chat
    models: ModelManager
    settings: Settings
    loop: asyncio.AbstractEventLoop

    def on_loop(self, work: Coroutine[Any, Any, T], timeout: float = 10) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serve(
    engine: Any,
    *,
    build: Callable[[Chat], None] | None = None,
    models: ModelManager | None = None,
    more: Sequence[Route] = (),
    around: Callable[[Settings], list[Middleware]] = security.middleware,
    **given: Any,
) -> Iterator[Site]:
    """A site over `engine` (or `models`), with Settings(**given). `build` adds to the page inside its Blocks, `more` to the routes;
    `around` makes the middleware."""
    settings = Settings(port=free_port(), **given)
    models = models or ModelManager.of(engine, settings)
    store = Store("sqlite://")
    chat, runs, trainings = Chat(models, store), all_runs(models, settings), all_trainings(models.tasks, settings)
    loops: list[asyncio.AbstractEventLoop] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        loops.append(asyncio.get_running_loop())
        yield
        await shutdown(chat, runs)

    with Page(analytics_enabled=False) as demo:
        gr.Markdown("page")
        if build:
            build(chat)
    demo.launch(
        server_name=settings.host,
        server_port=settings.port,
        prevent_thread_lock=True,
        quiet=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        auth=auth.checker(settings.auth),
        app_kwargs={
            "routes": [*more, *routes(chat, models, settings, runs, trainings)],
            "middleware": around(settings),
            "exception_handlers": handlers(),
            "lifespan": lifespan,
        },
    )
    try:
        yield Site(f"http://127.0.0.1:{settings.port}", chat, models, settings, loops[0])
    finally:
        demo.close(verbose=False)
        models.close()
        store.close()


def until(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Wait for something another thread does; whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()
