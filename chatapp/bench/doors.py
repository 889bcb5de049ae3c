"""The product: its engine alone, and the app as people meet it, in a process of its own: through the page's door, /v1, gradio_client."""

import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx2
import sqlalchemy as sa

from chatapp.bench import measure
from chatapp.bench.measure import Run
from chatapp.bench.processes import Tree, free_port, server
from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.settings import Settings, flag
from chatapp.store.schema import turns
from chatapp.turn import Message
from chatapp.xray.ahead import QUIET

APP = Path(__file__).parents[2] / "app.py"
KEY = "bench"
LOOK = 0.02
"""Seconds between two looks whether gradio_client has received something: its first token is found up to this much late."""

PAGE_TICK = 0.02
"""Seconds between two views of a reply: the page asks for what it can draw in a fifth of the time, and that is about 4 ms here."""

PEOPLE = ThreadPoolExecutor(40)
"""Of those who ask through gradio_client, as many as it has itself: asyncio's own are six on two cores, so that a seventh would wait until
another's reply has ended."""

SAME = ("model", "revision", "engine", "device", "dtype", "context", "concurrency", "threads", "draft")
"""Settings that the app must share with the engine beside it."""

MADE_ONCE = ("llamacpp", "models")
"""Folders of a data folder with copies of the model's files: in other number formats, and for X-ray."""


class EngineWay:
    """The bare engine in this process, its model in a child or not."""

    def __init__(self, engine: Engine, name: str = "engine") -> None:
        self.engine, self.name = engine, name
        native = getattr(engine, "server", None)
        self.trees = (Tree(native.pid),) if native else ()

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        return await measure.reply(self.engine, messages, sampling)


@contextmanager
def app(settings: Settings) -> Iterator[tuple[str, Tree, "Records"]]:
    """The app on a free port with a data folder of its own: (base URL, its processes, what it wrote down) once the model is ready.

    It reads the same copies of weights as the engine beside it: without them it would serve the file as shipped, which reads more slowly.
    What it does ahead, while nobody asks, is done: else it would be done in the first moments in which it is not asleep.
    """
    port = free_port()
    flags = [word for name in SAME if (value := getattr(settings, name)) != "" for word in (flag(name), str(value))]
    with tempfile.TemporaryDirectory() as data:
        for name in MADE_ONCE:
            (made := settings.data_dir / name).mkdir(parents=True, exist_ok=True)
            (Path(data) / name).symlink_to(made)
        environment = {"CHATAPP_API_KEY": KEY, "CHATAPP_DATA_DIR": data, "CHATAPP_DATABASE_URL": ""}
        command = [sys.executable, str(APP), "--port", str(port), *flags]
        with server(command, environment, f"http://127.0.0.1:{port}/healthz") as process:
            tree = Tree(process.pid)
            tree.settle(QUIET + 3)
            yield f"http://127.0.0.1:{port}", tree, Records(Path(data))


class Records:
    """The replies in the app's database."""

    def __init__(self, folder: Path) -> None:
        self._database = sa.create_engine(f"sqlite:///file:{folder}/chat.db?mode=ro&uri=true")

    def reply_tokens(self, question: str) -> int:
        """Tokens of the newest reply to `question`."""
        newest = sa.select(turns.c.reply_ids).where(turns.c.user == question).order_by(turns.c.seq.desc()).limit(1)
        with self._database.connect() as connection:
            return len(connection.execute(newest).scalar_one())


class ApiWay:
    """/v1/chat/completions, streamed."""

    name = "api"

    def __init__(self, url: str, tree: Tree) -> None:
        self.trees = (tree,)
        self._client = openai_client(url, KEY)

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        body = {k: v for k, v in asdict(sampling).items() if v is not None and k != "stop"}
        body |= {"messages": [asdict(m) for m in messages], "stream": True, "stream_options": {"include_usage": True}}
        return await openai_stream(self._client, body)


def openai_client(url: str, key: str = "") -> httpx2.AsyncClient:
    """For all replies of a way, as the openai client does it: putting one together takes 25 ms, most of them for certificates."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx2.AsyncClient(base_url=url, headers=headers, timeout=900, trust_env=False)


async def openai_stream(client: httpx2.AsyncClient, body: dict) -> Run:
    """One streamed reply of a server that speaks OpenAI's protocol; tokens as it counts them in `usage`."""
    started, first, tokens, text = time.perf_counter(), 0.0, 0, []
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        if response.status_code != 200:
            raise RuntimeError(f"{client.base_url} answered {response.status_code}: {(await response.aread()).decode()[:300]}")
        async for line in response.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            if chunk.get("choices") and (piece := chunk["choices"][0]["delta"].get("content")):
                first = first or time.perf_counter() - started
                text.append(piece)
            if chunk.get("usage"):
                tokens = chunk["usage"]["completion_tokens"]
    return Run(tokens, first, time.perf_counter() - started, text="".join(text))


class PageWay:
    """The page's own door: a message is sent, and watched until nothing runs. A visitor of its own for each reply, no history."""

    name = "ui"

    def __init__(self, url: str, tree: Tree, records: Records) -> None:
        self.trees = (tree,)
        self._client = openai_client(url)
        self._records = records

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        visitor, started, first = {"session": secrets.token_hex(16)}, time.perf_counter(), 0.0
        ask = {"do": "send", "text": messages[-1].content, "settings": asdict(sampling), **visitor}
        sent = json.loads(_fine(await self._client.post("/ui/chat", json=ask)).content)
        asked = {"conversation": sent["conversation"], "tick": PAGE_TICK, **visitor}
        shown: dict[int, str] = {}
        async with self._client.stream("POST", "/ui/watch", json=asked) as answer:
            async for line in _fine(answer).aiter_lines():
                news = json.loads(line)
                if "error" in news:
                    raise ChatError(f"the page's door: {news['error']['message']}")
                shown |= dict(news.get("grown", {}).get("blocks", []))
                first = first or (time.perf_counter() - started if shown else 0.0)
        total = time.perf_counter() - started
        return Run(self._records.reply_tokens(messages[-1].content), first, total, text="".join(shown.values()))


def _fine(answer: httpx2.Response) -> httpx2.Response:
    if answer.status_code != 200:
        raise ChatError(f"the page's door answered {answer.status_code}")
    return answer


class GradioWay:
    """The named endpoint /chat through gradio_client: one message, no history."""

    name = "gradio_client"

    def __init__(self, url: str, tree: Tree, records: Records) -> None:
        from gradio_client import Client

        self.trees = (tree,)
        # http:// has no certificates, yet gradio_client loads them anew for each message unless told not to: 25 to 80 ms
        self._client = Client(url, verbose=False, ssl_verify=False)
        self._records = records

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        return await asyncio.get_running_loop().run_in_executor(PEOPLE, self._reply, messages[-1].content, sampling)

    def _reply(self, question: str, sampling: Sampling) -> Run:
        """The door carries text only, and text cut into tokens again gives fewer than were drawn: the app knows how many."""
        started = time.perf_counter()
        values = {k: v for k, v in asdict(sampling).items() if k != "stop"}
        job = self._client.submit(question, **values, api_name="/chat")
        while not job.outputs() and not job.done():  # iterating over the job would look a thousand times a second, on the model's cores
            time.sleep(LOOK)
        first = time.perf_counter() - started
        if error := job.future.exception():  # sleeps until it is over
            raise ChatError(f"gradio_client: {error}") from error
        text, total = job.outputs()[-1], time.perf_counter() - started
        return Run(self._records.reply_tokens(question), first, total, text=text)
