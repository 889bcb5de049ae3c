"""Slows down guessing of passwords: after five wrong tries for a name from one address, each further one has to wait longer."""

import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FREE_TRIES = 5
FIRST_WAIT, LONGEST_WAIT = 30.0, 900.0
FORGET_AFTER = 3600.0
MAX_REMEMBERED = 10_000
MAX_FORM_BYTES = 64 * 1024

Who = tuple[str, str]  # address, name


class Tries:
    """Tries without success by who made them. Times are seconds of `clock`; the oldest are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.seen: OrderedDict[Who, tuple[int, float]] = OrderedDict()

    def wait(self, who: Who) -> float:
        """Seconds until the next try is heard; 0 means now."""
        count, last = self.seen.get(who, (0, 0.0))
        if count < FREE_TRIES or self.clock() - last > FORGET_AFTER:
            return 0.0
        pause = min(FIRST_WAIT * 2.0 ** min(count - FREE_TRIES, 10), LONGEST_WAIT)
        return max(0.0, last + pause - self.clock())

    def add(self, who: Who) -> None:
        """A try begins. It counts as wrong until `clear`, so that many tries at once do not slip through."""
        count, last = self.seen.pop(who, (0, 0.0))
        self.seen[who] = ((count if self.clock() - last <= FORGET_AFTER else 0) + 1, self.clock())
        while len(self.seen) > MAX_REMEMBERED:
            self.seen.popitem(last=False)

    def clear(self, who: Who) -> None:
        """The right password was given."""
        self.seen.pop(who, None)


class LoginLimit:
    """ASGI middleware around Gradio's POST /login. Answers 429 with Retry-After while a name has to wait."""

    def __init__(self, app: ASGIApp, tries: Tries) -> None:
        self.app = app
        self.tries = tries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"].rstrip("/") != "/login":
            return await self.app(scope, receive, send)
        body = await _body(receive)
        if body is None:
            return await _answer(413, f"A login form has at most {MAX_FORM_BYTES // 1024} kB.")(scope, receive, send)
        who = ((scope.get("client") or ("unknown",))[0], await _name(scope, body))
        if wait := self.tries.wait(who):
            return await _refusal(wait)(scope, receive, send)
        self.tries.add(who)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self.tries.clear(who)
            await send(message)

        await self.app(scope, _replay(body, receive), watched)


async def _body(receive: Receive) -> bytes | None:
    """The whole request body, or None when it is larger than any login form."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_FORM_BYTES:
            return None
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once more, then what comes after it."""
    rest: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return rest.pop() if rest else await receive()

    return again


async def _name(scope: Scope, body: bytes) -> str:
    """The user name of a login form, as Gradio reads it; '' for something that is no form."""
    try:
        async with Request(scope, _replay(body, _nothing_more)).form() as form:
            name = form.get("username")
    except (MultiPartException, HTTPException, ValueError):  # ValueError: what python-multipart raises, and broken UTF-8
        return ""
    return name.strip() if isinstance(name, str) else ""


async def _nothing_more() -> Message:
    return {"type": "http.disconnect"}


def _refusal(wait: float) -> JSONResponse:
    seconds = int(wait) + 1
    answer = _answer(429, f"Too many attempts; wait {seconds} seconds. The password was not looked at.")
    answer.headers["Retry-After"] = str(seconds)
    return answer


def _answer(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence}, status_code=status)
