"""POST /ui/pdf: the words of a PDF that somebody attaches to a message. Nothing of it is kept.

A PDF may be made to loop or to fill the memory, so a process without our environment and its secrets reads it (pdf_child.py).
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from chatapp.errors import ChatError
from chatapp.prompt.sandbox import KEPT
from chatapp.server.body import body_of
from chatapp.server.door import answered, owner_asking, refused

CHILD = Path(__file__).with_name("pdf_child.py")
MAX_BYTES = 20_000_000
SECONDS = 60.0
"""By the clock; of a processor it has half."""

MOST_WAITING = 8
"""Files that wait for their turn: one is read at a time."""


class Reader:
    """One file at a time, for everybody."""

    def __init__(self) -> None:
        self._one = asyncio.Lock()
        self._waiting = 0

    async def read(self, data: bytes) -> dict:
        """{"text", "pages"}. Raises ChatError whose words are the end of a sentence that begins with the file's name."""
        if self._waiting >= MOST_WAITING:
            raise ChatError("was not read: many others are being read at this moment. Try again.", status=503)
        self._waiting += 1
        try:
            async with self._one:
                found = await asyncio.to_thread(run, data)
        finally:
            self._waiting -= 1
        if "refusal" in found:
            raise ChatError(found["refusal"], status=422)
        return found


def run(data: bytes) -> dict:
    """What the child says, in a thread of its own."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run([sys.executable, "-P", str(CHILD)], input=data, capture_output=True, timeout=SECONDS, env=environment)
    except subprocess.TimeoutExpired:
        return {"refusal": f"took longer than {SECONDS:.0f} s to read. Save it as text first."}
    return json.loads(done.stdout) if done.returncode == 0 else {"refusal": "takes too much to read. Save it as text first."}


def routes() -> list[Route]:
    reader = Reader()

    async def words(request: Request) -> Response:
        try:
            owner_asking(request, request.query_params.get("session"))
            return answered(await reader.read(await body_of(request, MAX_BYTES)))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is left to read it
        except ChatError as error:
            return refused(error)

    return [Route("/ui/pdf", words, methods=["POST"], include_in_schema=False)]
