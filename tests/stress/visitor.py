"""A visitor's browser by hand: cookie, events of the page over Gradio's queue, X-ray, /chat. What comes back is kept word for word."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2
from gradio_client.utils import apply_diff

from tests.stress.site import KEY

SECONDS = 60.0
"""The longest that any answer may take."""

CUT = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.ReadTimeout)
"""The server hung up in the middle of an answer, or said nothing for SECONDS."""

SYSTEM, TEMPERATURE, MAX_TOKENS = 0, 1, 4
"""Places in the panel."""

ENDLESS = "1 2 3 4 5 6 7 8 9 10 11 12 13 14"
"""The embedded model at temperature 0 answers this for thousands of tokens."""


@dataclass
class Answer:
    """What came back for one request. `lines` are as they came, `values` the outputs of an event, one list for each view.

    `ended`: its last line came. `words` are the sentences a person would read.
    """

    status: int = 0
    lines: list[str] = field(default_factory=list)
    values: list[list[Any]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def told(self) -> dict[str, Any]:
        """The last JSON text that a wire carried: the rail of `act`, the list of `manage`."""
        texts = [view[0] for view in self.values if view and isinstance(view[0], str)]
        return json.loads(texts[-1]) if texts else {}

    @property
    def ok(self) -> bool:
        return self.told.get("ok") is True

    @property
    def text(self) -> str:
        """All that came, with the values decoded, to look for words in."""
        return "\n".join([*self.lines, *map(str, self.values), *self.words])


class Visitor:
    """Each event is a tab of its own, so that no answer meets another. `wires` are the page's events: number and what the panel sends."""

    def __init__(self, client: httpx2.AsyncClient, wires: dict[str, tuple[int, list[Any]]]) -> None:
        self.client = client
        self.wires = wires

    async def act(self, do: str, *, panel: dict[int, Any] | None = None, seconds: float = SECONDS, **loose: Any) -> Answer:
        """An action of the chat, until nothing runs in the conversation any more. `panel` replaces values by their place."""
        return await self.event("act", {"do": do, **loose}, panel=panel, seconds=seconds)

    async def manage(self, do: str, **loose: Any) -> Answer:
        """An action of the list."""
        return await self.event("manage", {"do": do, **loose})

    async def event(self, wire: str, data: Any, *, panel: dict[int, Any] | None = None, seconds: float = SECONDS) -> Answer:
        return await self.join(self.body(wire, data, panel), seconds)

    def body(self, wire: str, data: Any, panel: dict[int, Any] | None = None) -> dict[str, Any]:
        """What the page's script posts."""
        number, values = self.wires[wire]
        values = [(panel or {}).get(n, value) for n, value in enumerate(values)]
        return {"data": values, "event_data": data, "fn_index": number, "trigger_id": number, "session_hash": secrets.token_hex(8)}

    async def join(self, body: dict[str, Any], seconds: float = SECONDS) -> Answer:
        """Post an event and read its answer to the end, or as long as `seconds` last."""
        answer = Answer()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for _ in self.views(body, answer):
                    pass
        return answer

    async def views(self, body: dict[str, Any], answer: Answer) -> AsyncIterator[list[Any]]:
        """The views of one event as they come; `answer` is filled on the way."""
        joined = await self.client.post("/gradio_api/queue/join", json=body)
        answer.status = joined.status_code
        if joined.status_code == 200:
            async for view in self.listened(body["session_hash"], answer):
                yield view
        else:
            answer.lines, answer.ended = [joined.text], True

    async def listened(self, session: str, answer: Answer) -> AsyncIterator[list[Any]]:
        """The views of the event that a tab waits for, until its last line or until the server hangs up."""
        with suppress(*CUT):
            async for line in self.told(session, answer):
                if line.startswith("data:") and taken(json.loads(line[5:]), line, answer):
                    yield answer.values[-1]
                if answer.ended:
                    return

    async def told(self, session: str, answer: Answer) -> AsyncIterator[str]:
        async with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as stream:
            answer.status = stream.status_code
            async for line in stream.aiter_lines():
                yield line

    async def look(self, seconds: float = SECONDS, **question: Any) -> Answer:
        """A question to X-ray."""
        return await self.post("/xray/look", json.dumps({"session": secrets.token_hex(8), **question}), seconds)

    async def post(self, path: str, content: str | bytes, seconds: float = SECONDS, **headers: str) -> Answer:
        """Any body to any route; ended when the whole answer came."""
        answer = Answer()
        headers = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        with suppress(TimeoutError, *CUT):
            async with asyncio.timeout(seconds), self.client.stream("POST", path, content=content, headers=headers) as stream:
                answer.status = stream.status_code
                async for line in stream.aiter_lines():
                    answer.lines.append(line)
                answer.ended = True
        return answer

    async def api(self, body: Any, seconds: float = SECONDS) -> Answer:
        """A request to /v1/chat/completions with the key."""
        content = body if isinstance(body, str) else json.dumps(body)
        return await self.post("/v1/chat/completions", content, seconds, authorization=f"Bearer {KEY}")

    async def chat(self, *data: Any, seconds: float = SECONDS) -> Answer:
        """/chat, as gradio_client calls it."""
        called = await self.client.post("/gradio_api/call/chat", json={"data": data})
        answer = Answer(called.status_code, [called.text])
        if called.status_code == 200:
            with suppress(TimeoutError):
                async with (
                    asyncio.timeout(seconds),
                    self.client.stream("GET", f"/gradio_api/call/chat/{called.json()['event_id']}") as stream,
                ):
                    async for line in stream.aiter_lines():
                        answer.lines.append(line)
                        answer.ended = answer.ended or line in ("event: complete", "event: error")
        return answer


def taken(message: dict[str, Any], line: str, answer: Answer) -> bool:
    """Add a message of Gradio's stream to the answer; whether it brought a view."""
    answer.lines.append(line)
    output = message.get("output") or {}
    if message["msg"] == "log":
        answer.words.append(message.get("log", ""))
    if message["msg"] == "process_completed":
        answer.ended = True
        if error := output.get("error") or (not message.get("success") and message.get("title")):
            answer.words.append(str(error))
    data = output.get("data")
    if data is None or message["msg"] not in ("process_generating", "process_completed"):
        return False
    diffs = message["msg"] == "process_generating" and answer.values
    answer.values.append([apply_diff(old, new) for old, new in zip(answer.values[-1], data, strict=True)] if diffs else list(data))
    return True


@asynccontextmanager
async def visitor(url: str, *, cookie: bool = True, token: str = "") -> AsyncIterator[Visitor]:
    """A new visitor, who keeps the cookie of the first page or keeps none; `token` is the cookie of one who was here before."""
    jar = CookieJar(policy=None if cookie else DefaultCookiePolicy(allowed_domains=[]))
    headers = {"cookie": f"chatapp_visitor={token}"} if token else {}
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, cookies=jar, headers=headers, limits=limits, timeout=SECONDS, trust_env=False) as client:
        yield Visitor(client, wires((await client.get("/config")).json()))


def wires(config: dict[str, Any]) -> dict[str, tuple[int, list[Any]]]:
    """The events of the page by name, and what the components beside them hold."""
    props = {component["id"]: component["props"] for component in config["components"]}
    found = {}
    for event in config["dependencies"]:
        if event["targets"] and event["backend_fn"]:
            values = [props[n].get("value") for n in event["inputs"]]
            found[event["targets"][0][1]] = (event["id"], [value if value is not None else "" for value in values])
    return found
