"""The HTTP that llama.cpp's server speaks, read straight from the socket: one small chunk for each token.

A general client costs 0.25 ms of processor time for each token here, this one less than half of it; the cores are the model's.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

from chatapp.engines.llamacpp.server import Address
from chatapp.errors import ChatError

PACE, PACE_EACH, SLOWEST = 0.08, 0.02, 0.25
"""Seconds between two looks at the tokens that have come: waking for each takes the cores from the model, and nobody reads that fast.

For many replies at once as many times PACE_EACH, so that all together wake no oftener than those of four people."""

PROGRESS = b'"prompt_progress"'
LUMP = 1 << 16

SILENCE = 120.0
"""Seconds without a byte after which the server counts as stuck. It sends a sign of life every 30 s, also while a prompt is read."""


class Gone(ConnectionError):
    """The server is not there, or stopped in the middle of an answer."""


async def events(address: Address, path: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
    """POST `body` and yield the JSON of each server-sent event. Closing the generator closes the connection, which stops the work.

    Raises Gone when the connection breaks, ChatError with the server's own words when it refuses.
    """
    reader, writer = await _connected(address)
    watch = _Watch(writer)
    try:
        writer.write(_request(address, path, json.dumps(body).encode()))
        await _check_status(reader)
        async for chunk in _chunks(reader, watch, body["n_predict"]):
            for line in chunk.splitlines():
                if line.startswith((b"data: {", b"error: {")):
                    yield json.loads(line[line.index(b"{") :])
    except (ConnectionError, EOFError) as error:
        raise Gone(str(error)) from error
    finally:
        watch.stop()
        writer.transport.abort()


async def call(address: Address, method: str, path: str, body: Any = None) -> Any:
    """What the server answers, whole. Cancelled, it is taken back where it was not begun. Raises as `events` does."""
    reader, writer = await _connected(address)
    try:
        writer.write(_request(address, path, json.dumps(body).encode(), method))
        await _check_status(reader)
        return json.loads(await reader.read())
    except (ConnectionError, EOFError) as error:
        raise Gone(str(error)) from error
    finally:
        writer.transport.abort()


async def _connected(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(address.host, address.port)
    except ConnectionError as error:
        raise Gone(str(error)) from error
    except OSError as error:  # no file descriptors, for one: the server is not to blame
        raise ChatError(f"The model's process could not be reached: {error}. Try again in a moment.", status=503) from error


def _request(address: Address, path: str, body: bytes, method: str = "POST") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {address.host}:{address.port}\r\nAuthorization: Bearer {address.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _check_status(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status = int(head.split(maxsplit=2)[1])
    if status != 200:
        raise ChatError(_words((await reader.read()).decode(errors="replace")), status=400 if status < 500 else 503)


def _words(body: str) -> str:
    try:
        return f"The model's server refused: {json.loads(body)['error']['message']}."
    except (ValueError, KeyError, TypeError):
        return f"The model's server refused: {body[:300]}"


async def _chunks(reader: asyncio.StreamReader, watch: "_Watch", most: int) -> AsyncGenerator[bytes]:
    """Bodies of Transfer-Encoding: chunked, for `most` tokens. Where they come quicker than the pace, those of one come together."""
    rest, left = b"", most
    while data := await reader.read(LUMP):
        pause = watch.seen()
        chunks, rest = _split(rest + data)
        for chunk in chunks:
            if not chunk:
                return
            yield chunk
        left -= sum(PROGRESS not in chunk for chunk in chunks)
        if chunks and PROGRESS not in chunks[-1] and (len(chunks) > 1 or pause < watch.pace):
            await watch.rest(min(watch.pace, max(0, left) * pause / len(chunks)))  # no longer than until the last token
    raise EOFError("The connection was closed in the middle of an answer.")


def _split(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole chunks at the start of `data`, and what is left of it. The chunk that ends an answer is empty."""
    chunks, start = [], 0
    while (head := data.find(b"\r\n", start)) >= 0:
        end = head + 2 + int(data[start:head], 16)
        if len(data) < end + 2:
            break
        chunks.append(data[head + 2 : end])
        start = end + 2
    return chunks, data[start:]


class _Watch:
    """Breaks a connection on which nothing has come for SILENCE seconds. One timer for each reply, not one for each token."""

    reading: ClassVar[set["_Watch"]] = set()

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.reading.add(self)
        self._loop = asyncio.get_running_loop()
        self._transport = writer.transport
        self._last = self._loop.time()
        self._timer = self._loop.call_later(SILENCE, self._look)

    @property
    def pace(self) -> float:
        return min(max(PACE, PACE_EACH * len(self.reading)), SLOWEST)

    def seen(self) -> float:
        """Something came: seconds since the last time."""
        before, self._last = self._last, self._loop.time()
        return self._last - before

    def stop(self) -> None:
        self.reading.discard(self)
        self._timer.cancel()

    async def rest(self, seconds: float) -> None:
        """Leave what comes to the kernel for so long."""
        if not self._transport.is_closing():
            self._transport.pause_reading()
        await asyncio.sleep(seconds)
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _look(self) -> None:
        left = self._last + SILENCE - self._loop.time()
        if left <= 0:
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(left, self._look)
