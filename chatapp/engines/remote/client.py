"""HTTP to a server that speaks OpenAI's protocol: its list of models, and a reply as it is written. Failures are sentences.

No redirect is followed, as a key would travel with it; on this machine no proxy of the environment is asked.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

from chatapp import strict_json
from chatapp.errors import ChatError
from chatapp.models.servers import ROUTER, Server, key_entries
from chatapp.settings import Settings

CONNECT = 5.0
LIST, PATIENCE = httpx2.Timeout(15.0, connect=CONNECT), 20.0
"""Seconds for a list of models: between two pieces of it, and for all, as for the words of a refusal."""

REPLY = httpx2.Timeout(None, connect=CONNECT, write=60.0)
"""The first token may take minutes: Stop ends the wait."""

SECRET = 8
"""Characters from which a key is one: a shorter one stands in ordinary words, too."""

LONGEST_LINE = 2**24
LONGEST_REFUSAL = 2**16
LONGEST_WORDS = 300
IS_IT = "Is this the address of an OpenAI-compatible server, up to /v1?"
DONE = b"[DONE]"


class Refused(ChatError):
    """An answer with an HTTP status that is no success: `code`. `words` are the server's own, `said` all of them."""

    def __init__(self, line: "Line", what: str, code: int, said: str) -> None:
        self.code, self.said, self.words = code, said, line.clean(words_of(said))
        super().__init__(f"{line.server.place} was asked {what} and answered {code}: {self.words} {cure(code)}".strip(), status=503)


def cure(code: int) -> str:
    """What to do about a status, where that is known."""
    if code in (401, 403):
        return "Give the key for it in CHATAPP_REMOTE_KEYS, as address=key."
    if 300 <= code < 400:
        return "Redirects are not followed: give the address it names."
    return {404: "Is the address right, up to /v1?", 429: "Try again in a while."}.get(code, "")


@dataclass(frozen=True)
class Line:
    """The way to a server: whom to ask, and the key that it, and nobody else, is sent. `context` is TLS's, made once: that takes 20 ms."""

    server: Server
    key: str = field(default="", repr=False)
    context: Any = True

    def clean(self, words: str) -> str:
        """What the server said, without the key, should it repeat it."""
        return words.replace(self.key, "…") if len(self.key) >= SECRET else words

    def options(self) -> dict[str, Any]:
        """Of a client."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        alone = {"trust_env": not self.server.loopback, "follow_redirects": False, "verify": self.context}
        return {"headers": {**headers, "User-Agent": "chatapp"}, **alone}


def line_to(server: Server, settings: Settings) -> Line:
    """With the key that was given for this very address. Raises ChatError for keys that cannot be read."""
    context = httpx2.create_ssl_context() if server.origin.startswith("https:") else True
    return Line(server, key_for(server, settings), context)


def key_for(server: Server, settings: Settings) -> str:
    """The key of its scheme, host and port; the machine's own Hugging Face token for the Hub's router, and for nobody else."""
    if key := key_entries(settings.remote_keys.get_secret_value()).get(server.origin, ""):
        return key
    if server.origin != ROUTER:
        return ""
    from huggingface_hub import get_token

    return get_token() or ""


def get(line: Line, path: str) -> Any:
    """JSON at a path under the server's base. Raises ChatError, Refused."""
    what = f"for {line.server.base}{path}"
    with in_words(line.server, what), httpx2.Client(timeout=LIST, **line.options()) as client:
        with client.stream("GET", line.server.base + path) as answer:
            content = whole(line, what, answer.iter_bytes(), time.monotonic() + PATIENCE)
        if answer.status_code != 200:
            raise Refused(line, what, answer.status_code, content.decode(errors="replace"))
        return parsed(line, what, content)


def whole(line: Line, what: str, pieces: Iterator[bytes], until: float) -> bytes:
    """All of an answer. Raises ChatError for one that does not end: other models wait to be loaded meanwhile."""
    found = bytearray()
    for piece in pieces:
        found += piece
        if len(found) > LONGEST_LINE or time.monotonic() > until:
            raise ChatError(f"{line.server.place} was asked {what}, and its answer did not end. {IS_IT}", status=503)
    return bytes(found)


async def stream(line: Line, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """What the server says of a reply, one object after the other. Closing it closes the connection, which stops the server.

    Raises ChatError, Refused before anything came.
    """
    server, what = line.server, f"for a reply ({line.server.base}/chat/completions)"
    with in_words(server, what):
        async with (
            httpx2.AsyncClient(timeout=REPLY, **line.options()) as client,
            client.stream("POST", f"{server.base}/chat/completions", json=body) as answer,
        ):
            if answer.status_code != 200:
                said = await first(answer.aiter_bytes(), LONGEST_REFUSAL, PATIENCE)
                raise Refused(line, what, answer.status_code, said.decode(errors="replace"))
            if answer.headers.get("content-type", "").startswith("application/json"):  # it does not stream
                yield checked(line, parsed(line, what, await first(answer.aiter_bytes(), LONGEST_LINE)))
                return
            if "html" in answer.headers.get("content-type", ""):
                raise ChatError(f"{server.place} was asked {what} and answered with a page of HTML. {IS_IT}", status=503)
            async for data in lines(answer.aiter_bytes()):
                yield checked(line, parsed(line, what, data))


async def first(pieces: AsyncIterator[bytes], most: int, seconds: float | None = None) -> bytes:
    """As much of an answer, and of one that does not end what comes within so many seconds."""
    found = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            async for piece in pieces:
                found += piece
                if len(found) > most:
                    break
    return bytes(found[:most])


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The data of server-sent events, up to [DONE] or the end. Lines end at a line feed alone: JSON may hold other breaks as they are."""
    rest = b""
    async for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            kind, _, data = (part.strip() for part in line.partition(b":"))
            if kind == b"data" and data == DONE:
                yield b"{}"
                return
            if kind in (b"data", b"error") and data:
                yield data if kind == b"data" else b'{"error": %b}' % data
        if len(rest) > LONGEST_LINE:
            raise ChatError(f"A line of more than {LONGEST_LINE:,} bytes came, which no reply has. {IS_IT}")
    if rest.strip().startswith(b"data:") and (last := rest.strip()[5:].strip()) != DONE:
        yield last


def parsed(line: Line, what: str, data: bytes) -> Any:
    try:
        return strict_json.parsed(data)
    except ValueError as error:
        began = data[:80].decode(errors="replace").strip()
        raise ChatError(
            f"{line.server.place} was asked {what}, and what came is no JSON: {line.clean(began)!r}. {IS_IT}",
            status=503,
        ) from error


def checked(line: Line, value: Any) -> dict[str, Any]:
    """Raises ChatError where it is a failure, also in the middle of a reply."""
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise ChatError(f"{line.server.place} sent {kind} where an object was due. {IS_IT}", status=503)
    if value.get("error") or value.get("object") == "error" or ("detail" in value and "choices" not in value):
        raise ChatError(f"{line.server.place} stopped the reply: {line.clean(words_in(value))}", status=503)
    return value


def words_of(text: str) -> str:
    """What a refusal says."""
    try:
        return words_in(strict_json.parsed(text.encode(errors="replace")))
    except ValueError:
        plain = " ".join(text.split())
        return "(a page of HTML)" if plain.startswith("<") else plain[:LONGEST_WORDS]


def words_in(value: Any) -> str:
    """Of {"error": {"message"}}, {"error": text}, {"detail": …}, {"message"}: the words."""
    for name in ("error", "detail", "message"):
        if isinstance(value, dict) and value.get(name):
            value = value[name]
    words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    words = " ".join(words.split())[:LONGEST_WORDS]
    return words if words.endswith((".", "!", "?")) else f"{words}."


@contextmanager
def in_words(server: Server, what: str) -> Iterator[None]:
    """A connection that cannot be had, or breaks, is a sentence."""
    try:
        yield
    except httpx2.ConnectTimeout as error:
        raise ChatError(f"{server.place} did not answer within {CONNECT:.0f} s. Is it on, and reachable from here?", status=503) from error
    except httpx2.ConnectError as error:
        raise ChatError(
            f"{server.place} cannot be reached: {reason(error)}. Start the server, or correct the address.", status=503
        ) from error
    except httpx2.TimeoutException as error:
        raise ChatError(f"{server.place} was asked {what} and was silent for too long. Try again in a moment.", status=503) from error
    except (httpx2.TransportError, httpx2.DecodingError, httpx2.InvalidURL, OSError) as error:
        raise ChatError(
            f"{server.place} was asked {what}, and the connection broke: {reason(error)}. What was written so far stays.", status=503
        ) from error


def reason(error: Exception) -> str:
    """The innermost words of a failed connection, on one line."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__
    return (" ".join(str(inner).split()) or " ".join(str(error).split()) or type(error).__name__)[:LONGEST_WORDS].rstrip(".")
