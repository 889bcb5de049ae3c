"""`--start`: the first minute, beside an empty gr.Blocks app, by turns, each time in fresh processes and a browser that kept nothing.

Seconds until the server answers; from there until the page can be used, and what it loads until then; from the start until a message that
is sent as soon as the server answers, while the model loads, has its first token and is answered. Needs playwright and Chromium.
"""

import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import httpx2

from chatapp.bench.doors import APP, openai_client
from chatapp.bench.measure import median
from chatapp.bench.page import chromium
from chatapp.bench.processes import free_port, server
from chatapp.errors import ChatError
from chatapp.models.cpu import cpu_name
from chatapp.sampling import Sampling
from chatapp.settings import Settings, flag

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

EMPTY = """
import sys
import gradio as gr
with gr.Blocks(analytics_enabled=False) as demo:
    pass
demo.launch(server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
"""
"""The least that Gradio serves."""

MESSAGE, TOKENS = "Say hello.", 16
LOOK = 0.02
"""Seconds between two looks: at the reply, and whether the model is there."""


@dataclass
class Started:
    """What was measured of one app; a value for each run. Seconds; `page` counts from the first answer of the server, the others from the

    start of the process. Empty lists where there is nothing to be measured.
    """

    server: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    first_token: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)


def main(settings: Settings, repeats: int) -> int:
    """`python -m chatapp.bench --start`. The last line is JSON, with its `ratios`."""
    blocks, app = Started(), Started()
    for repeat in range(repeats):
        turn = [lambda: opened(blocks, empty, "footer"), lambda: opened(app, ours(settings), "body:not(.starting) #message")]
        for measure in [*(turn if repeat % 2 else reversed(turn)), lambda: asked(app, ours(settings))]:
            measure()
        print(f"{repeat + 1}/{repeats}", file=sys.stderr, flush=True)
    print(table(settings, {"gr.Blocks": blocks, "app": app}, repeats))
    runs = {"gr.Blocks": asdict(blocks), "app": asdict(app)}
    told = {"cpu": cpu_name(), "model": settings.model, "repeats": repeats, "load": round(os.getloadavg()[0], 1)}
    print(json.dumps({**told, "start": runs, "ratios": ratios(blocks, app)}))
    return 0


Starting = Callable[[], AbstractContextManager[tuple[str, float]]]
"""Starts an app and gives (its URL, seconds until it answered)."""


@contextmanager
def empty() -> Iterator[tuple[str, float]]:
    port = free_port()
    with answering([sys.executable, "-c", EMPTY, str(port)], {}, port) as found:
        yield found


def ours(settings: Settings) -> Starting:
    """The app as it starts for the first time: its data folder is empty."""

    @contextmanager
    def start() -> Iterator[tuple[str, float]]:
        port = free_port()
        command = [sys.executable, str(APP), "--port", str(port), flag("model"), settings.model]
        with tempfile.TemporaryDirectory() as data:
            environment = {"CHATAPP_DATA_DIR": data, "CHATAPP_DATABASE_URL": ""}
            with answering(command, environment, port) as found:
                yield found

    return start


@contextmanager
def answering(command: list[str], environment: dict[str, str], port: int) -> Iterator[tuple[str, float]]:
    url, began = f"http://127.0.0.1:{port}", time.perf_counter()
    with server(command, environment, f"{url}/"):
        yield url, time.perf_counter() - began


def opened(seen: Started, start: Starting, usable: str) -> None:
    """The server's start, and its page in a browser that was waiting for it."""
    with chromium() as browser, start() as (url, seconds):
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        loads = Loads(page.context.new_cdp_session(page))
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.locator(usable).wait_for()
        seen.server.append(seconds)
        seen.page.append(time.perf_counter() - began)
        seen.requests.append(loads.requests)
        seen.bytes.append(loads.bytes)


class Loads:
    """What a page loaded, as the browser's network counts it: requests sent, bytes received with their headers."""

    def __init__(self, session: "CDPSession") -> None:
        self.requests = self.bytes = 0
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.loadingFinished", self._came)
        session.send("Network.enable")

    def _sent(self, event: dict) -> None:
        self.requests += not event["request"]["url"].startswith("data:")

    def _came(self, event: dict) -> None:
        self.bytes += int(event["encodedDataLength"])


def asked(seen: Started, start: Starting) -> None:
    """A message sent through the page's door as soon as there is one, and watched until it is answered."""
    began = time.perf_counter()
    with start() as (url, seconds):
        ready, first, answered = asyncio.run(_answered(url))
    seen.server.append(seconds)
    for times, at in ((seen.ready, ready), (seen.first_token, first), (seen.answered, answered)):
        times.append(at - began)


async def _answered(url: str) -> tuple[float, float, float]:
    """When the model was there, the first token came, and the reply was whole."""
    client = openai_client(url)
    visitor, settings = {"session": secrets.token_hex(16)}, asdict(Sampling(temperature=0.0, max_tokens=TOKENS))
    sent = (await client.post("/ui/chat", json={"do": "send", "text": MESSAGE, "settings": settings, **visitor})).json()
    if "conversation" not in sent:
        raise ChatError(f"The message was not taken while the model loads: {sent}")
    ready = asyncio.create_task(_ready(client))
    first = 0.0
    async with client.stream("POST", "/ui/watch", json={"conversation": sent["conversation"], "tick": LOOK, **visitor}) as answer:
        async for line in answer.aiter_lines():
            news = json.loads(line)
            if "error" in news:
                raise ChatError(f"The message was not answered: {news['error']['message']}")
            first = first or (time.perf_counter() if shows_words(news) else 0.0)
    answered = time.perf_counter()
    if not first:
        raise ChatError("The message was answered without a word.")
    return await ready, first, answered


def shows_words(news: dict) -> bool:
    """Of the reply: as it grows, or of one that was whole at the first look."""
    rows = (news.get("path") or {}).get("rows", [])
    return bool(news.get("grown", {}).get("blocks")) or any(row["blocks"] for row in rows)


async def _ready(client: "httpx2.AsyncClient") -> float:
    while (await client.get("/healthz")).status_code != 200:  # noqa: ASYNC110  it is another process
        await asyncio.sleep(LOOK)
    return time.perf_counter()


def ratios(blocks: Started, app: Started) -> dict[str, float]:
    """Of the medians. `waits_for_model`: seconds from the model being there to the first token of the message that waited for it."""
    waits = [first - ready for first, ready in zip(app.first_token, app.ready, strict=True)]
    return {
        "server_vs_blocks": round(median(app.server) / median(blocks.server), 2),
        "page_vs_blocks": round(median(app.page) / median(blocks.page), 2),
        "more_requests": median(app.requests) - median(blocks.requests),
        "more_bytes": median(app.bytes) - median(blocks.bytes),
        "first_token_after_model_s": round(median(waits), 2),
        "answered_vs_server": round(median(app.answered) / median(app.server), 2),
    }


def table(settings: Settings, found: dict[str, Started], repeats: int) -> str:
    """For people: medians (lowest-highest)."""
    head = [
        f"{settings.model}, never started before · {cpu_name()} · median of {repeats} interleaved starts · load {os.getloadavg()[0]:.1f}",
        "server, model and message: seconds from the start; page: seconds from the server's first answer until it can be used",
        "",
        f"{'':<11}{'server':>17}{'page':>17}{'requests':>10}{'MB':>6}{'model is there':>18}{'first token':>18}{'answered':>18}",
    ]
    return "\n".join([*head, *(row(name, seen) for name, seen in found.items())])


def row(name: str, seen: Started) -> str:
    cells = f"{spread(seen.server):>17}{spread(seen.page):>17}{median(seen.requests):>10.0f}{median(seen.bytes) / 1e6:>6.1f}"
    return f"{name:<11}{cells}" + "".join(f"{spread(times):>18}" for times in (seen.ready, seen.first_token, seen.answered))


def spread(times: list[float]) -> str:
    """'3.2 (3.1-3.9)'; '' for none."""
    return f"{median(times):.1f} ({min(times):.1f}-{max(times):.1f})" if times else ""
