"""A visitor's browser by hand: cookie, the door, files, X-ray, /chat, /v1. What comes back is kept word for word."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx2

from tests.calls import call_data
from tests.stress.site import KEY

SECONDS = 60.0
"""The longest that any answer may take."""

CUT = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.ReadTimeout)
"""The server hung up in the middle of an answer, or said nothing for SECONDS."""

ENDLESS = "1 2 3 4 5 6 7 8 9 10 11 12 13 14"
"""The embedded model at temperature 0 answers this for thousands of tokens."""


@dataclass
class Answer:
    """What came back for one request. `lines` are as they came; `ended`: the whole answer came."""

    status: int = 0
    lines: list[str] = field(default_factory=list)
    ended: bool = False

    @property
    def whole(self) -> bool:
        return self.status == 200 and self.ended

    @property
    def last(self) -> dict[str, Any]:
        """The last line as an object; {} where it is none."""
        said = [line for line in self.lines if line]
        with suppress(ValueError):
            if said and isinstance(found := json.loads(said[-1]), dict):
                return found
        return {}

    @property
    def ok(self) -> bool:
        """The door did what was asked."""
        return self.whole and "error" not in self.last and self.text.startswith("{")

    @property
    def told(self) -> dict[str, Any]:
        """What an action answered; {} where it was refused or cut."""
        return self.last if self.ok else {}

    @property
    def words(self) -> str:
        """The sentence that a person reads about a failure at the door."""
        return self.last["error"]["message"] if self.ended and isinstance(self.last.get("error"), dict) else ""

    @property
    def text(self) -> str:
        """All that came, to look for words in."""
        return "\n".join(self.lines)


@dataclass
class Shown:
    """A conversation as a page draws it from lines of News. `answer` is the watch itself, or the action that was refused."""

    answer: Answer = field(default_factory=Answer)
    conversation: str | None = None
    turn: str = ""
    path: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: bool = False

    @property
    def ok(self) -> bool:
        """Watched to its last line, with nothing left running."""
        return self.answer.ok and self.done and not self.path.get("running")

    @property
    def shown(self) -> list[dict[str, Any]]:
        """The rows from first to last; one that the server named and never sent is a KeyError."""
        return [self.rows[id] for id in self.path.get("order", [])]

    def take(self, news: dict[str, Any]) -> None:
        """Draw one line."""
        if path := news.get("path"):
            self.path = path
            self.rows |= {row["id"]: row for row in path["rows"]}
        if grown := news.get("grown"):
            row = self.rows[grown["id"]]
            row["line"] = grown["line"] or row["line"]
            for index, html in grown["blocks"]:
                row["blocks"][index : index + 1] = [html]
        self.done = self.done or news.get("done", False)


class Visitor:
    """One tab: without a cookie its session stands for the visitor."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self.client = client
        self.session = secrets.token_hex(16)

    async def ask(self, name: str, seconds: float = SECONDS, **asked: Any) -> Answer:
        """POST /ui/<name>, as the page's script does."""
        return await self.post(f"/ui/{name}", json.dumps({"session": self.session, **asked}), seconds)

    async def act(self, do: str, *, seconds: float = SECONDS, seen: Callable[[Shown], Any] | None = None, **asked: Any) -> Shown:
        """An action of the chat, and the conversation until nothing runs in it any more, as long as `seconds` last.

        `seen` is called after each line.
        """
        shown = Shown()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                shown.answer = await self.ask("chat", do=do, **asked)
                if shown.answer.ok:
                    shown.conversation, shown.turn = shown.answer.told["conversation"], shown.answer.told["turn"] or ""
                    await self.watched(shown, seen)
        return shown

    async def watch(self, conversation: str | None, *, seconds: float = SECONDS, **asked: Any) -> Shown:
        """A conversation until nothing runs in it any more."""
        shown = Shown(conversation=conversation)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.watched(shown, None, **asked)
        return shown

    async def watched(self, shown: Shown, seen: Callable[[Shown], Any] | None, **asked: Any) -> None:
        shown.answer = Answer()
        body = json.dumps({"session": self.session, "conversation": shown.conversation, **asked})
        async with aclosing(self.lines("/ui/watch", body, shown.answer)) as lines:
            async for line in lines:
                shown.take(json.loads(line))
                if seen:
                    seen(shown)

    async def manage(self, do: str, **asked: Any) -> Answer:
        """An action of the list."""
        return await self.ask("manage", do=do, **asked)

    async def export(self, kind: str, conversation: str = "", seconds: float = SECONDS) -> Answer:
        """GET /ui/export; the lines are those of the file."""
        asked = {"session": self.session, "format": kind} | ({"id": conversation} if conversation else {})
        return await self.read(self.client.stream("GET", "/ui/export", params=asked), seconds)

    async def bring(self, content: str | bytes, seconds: float = SECONDS) -> Answer:
        """POST /ui/import."""
        return await self.post(f"/ui/import?session={self.session}", content, seconds)

    async def look(self, seconds: float = SECONDS, **question: Any) -> Answer:
        """A question to X-ray."""
        return await self.post("/ui/xray", json.dumps({"session": self.session, **question}), seconds)

    async def api(self, body: Any, seconds: float = SECONDS) -> Answer:
        """A request to /v1/chat/completions with the key."""
        content = body if isinstance(body, str) else json.dumps(body)
        return await self.post("/v1/chat/completions", content, seconds, authorization=f"Bearer {KEY}")

    async def post(self, path: str, content: str | bytes, seconds: float = SECONDS, **headers: str) -> Answer:
        """Any body to any route."""
        answer = Answer()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), aclosing(self.lines(path, content, answer, **headers)) as lines:
                async for _ in lines:
                    pass
        return answer

    async def lines(self, path: str, content: str | bytes, answer: Answer, **headers: str) -> AsyncIterator[str]:
        """The lines of an answer as they come, until its end or until the server hangs up; `answer` is filled on the way."""
        headers = {"content-type": "application/json", **headers}
        with suppress(*CUT):
            async with self.client.stream("POST", path, content=content, headers=headers) as stream:
                async for line in filled(stream, answer):
                    yield line

    async def read(self, opening: Any, seconds: float) -> Answer:
        """A whole answer."""
        answer = Answer()
        with suppress(TimeoutError, *CUT):
            async with asyncio.timeout(seconds), opening as stream:
                async for _ in filled(stream, answer):
                    pass
        return answer

    async def chat(self, message: str, seconds: float = SECONDS, **given: Any) -> Answer:
        """/chat, as gradio_client calls it; ended when its last event came."""
        called = await self.client.post("/gradio_api/call/chat", json={"data": call_data(message, **given)})
        answer = Answer(called.status_code, [called.text])
        if called.status_code == 200:
            told = await self.read(self.client.stream("GET", f"/gradio_api/call/chat/{called.json()['event_id']}"), seconds)
            answer.lines += told.lines
            answer.ended = "event: complete" in told.lines or "event: error" in told.lines
        return answer


async def filled(stream: httpx2.Response, answer: Answer) -> AsyncIterator[str]:
    """Lines as they come. JSON may hold U+2028 and other ends of lines of httpx2's, so only \\n ends one."""
    answer.status, rest = stream.status_code, ""
    async for text in stream.aiter_text():
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            answer.lines.append(line)
            yield line
    if rest:
        answer.lines.append(rest)
        yield rest
    answer.ended = True


@asynccontextmanager
async def visitor(url: str, *, cookie: bool = True, token: str = "") -> AsyncIterator[Visitor]:
    """A new visitor, who keeps the cookie of the first page or keeps none; `token` is the cookie of one who was here before."""
    jar = CookieJar(policy=None if cookie else DefaultCookiePolicy(allowed_domains=[]))
    headers = {"cookie": f"chatapp_visitor={token}"} if token else {}
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, cookies=jar, headers=headers, limits=limits, timeout=SECONDS, trust_env=False) as client:
        (await client.get("/")).raise_for_status()
        yield Visitor(client)
