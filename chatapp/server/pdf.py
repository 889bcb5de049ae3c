"""POST /ui/pdf: the words of a PDF that somebody attaches to a message. Nothing of it is kept.

A PDF may be made to loop or to fill the memory, so a process without our environment and its secrets reads it (pdf_child.py).
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from chatapp.errors import ChatError
from chatapp.identity import address_of
from chatapp.prompt.sandbox import KEPT
from chatapp.server.body import body_of
from chatapp.server.door import answered, owner_asking, refused

CHILD = Path(__file__).with_name("pdf_child.py")
MAX_BYTES = 20_000_000
SECONDS = 60.0
"""By the clock; of a processor it has half."""

MOST_WAITING, MOST_EACH = 8, 3
"""Files that wait for their turn, of all and of one person, or of all strangers at one address: one is read at a time."""


class Reader:
    """One file at a time, for everybody."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._waiting: list[str] = []

    async def read(self, data: bytes, whose: str = "") -> dict:
        """{"text", "pages"}. Raises ChatError whose words are the end of a sentence that begins with the file's name."""
        self._refuse_crowd(whose)
        self._waiting.append(whose)
        try:
            async with self._one:
                found = await self._said(data)
        finally:
            self._waiting.remove(whose)
        if "refusal" in found:
            raise ChatError(found["refusal"], status=422)
        return found

    def _refuse_crowd(self, whose: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            raise ChatError("was not read: many others are being read at this moment. Try again.", status=503)
        if self._waiting.count(whose) >= MOST_EACH:
            raise ChatError(
                f"was not read: {MOST_EACH} of yours, or from your address, are being read at this moment. Try again.", status=429
            )

    async def _said(self, data: bytes) -> dict:
        """Whoever leaves takes the child along."""
        child = begun()
        try:
            return await asyncio.to_thread(heard, child, data)
        finally:
            child.kill()  # one that has ended is not harmed


def begun() -> subprocess.Popen:
    """The child. What it says to stderr, a line for each fault of a file, nobody reads."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", str(CHILD)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)


def heard(child: subprocess.Popen, data: bytes) -> dict:
    """What the child says, in a thread of its own."""
    try:
        said, _ = child.communicate(data, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return {"refusal": f"took longer than {SECONDS:.0f} s to read. Save it as text first."}
    return json.loads(said) if child.returncode == 0 else {"refusal": "takes too much to read. Save it as text first."}


def run(data: bytes) -> dict:
    """What is said of one file, without a server."""
    return heard(begun(), data)


async def unless_gone(request: Request, work: Coroutine[Any, Any, dict]) -> dict:
    """Its result; raises ClientDisconnect, and ends it, where nobody is left to hear that."""
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def gone(request: Request) -> None:
    """Until the connection is closed; the body has been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def routes() -> list[Route]:
    reader = Reader()

    async def words(request: Request) -> Response:
        try:
            owner = owner_asking(request, request.query_params.get("session"))
            whose = address_of(request.client.host if request.client else "", owner) or owner
            data = await body_of(request, MAX_BYTES)
            return answered(await unless_gone(request, reader.read(data, whose)))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except ChatError as error:
            return refused(error)

    return [Route("/ui/pdf", words, methods=["POST"], include_in_schema=False)]
