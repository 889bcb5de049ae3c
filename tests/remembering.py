"""`python -m tests.remembering MODEL FOLDER`: very many replies, looks and passing chats in one process; prints its memory on the way.

One line of JSON: bytes that are resident after the first 50 of each kind, and after all.
"""

import asyncio
import ctypes
import gc
import json
import sys
from pathlib import Path

import httpx2
import psutil
from starlette.applications import Starlette

from chatapp.chat.service import Chat
from chatapp.engines.direct.engine import DirectEngine
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.server.openai import api
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.xray.inspector import Inspector
from chatapp.xray.views import probabilities
from tests.chats import ME, ended
from tests.directs import endless
from tests.xrays import last

FIRST = 50
ROUNDS = {"replies": 1000, "looks": 100, "temporary": 300, "unstored": 300}
SHORT = Sampling(temperature=0, max_tokens=6)


def resident() -> int:
    """Bytes, after everything that nobody refers to was given back."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss


class Use:
    """One process with everything in it: a real tiny model, a database on the disk, X-ray, /v1."""

    def __init__(self, model: Path, folder: Path) -> None:
        settings = Settings(data_dir=folder, api_key="key", threads=1)
        self.models = ModelManager.of(DirectEngine(endless(model), settings), settings)
        self.chat = Chat(self.models, Store.open(settings))
        self.inspector = Inspector(self.models)
        asgi = httpx2.ASGITransport(app=Starlette(routes=api.routes(self.chat, self.models, settings)))
        self.client = httpx2.AsyncClient(transport=asgi, base_url="http://app", headers={"authorization": "Bearer key"})

    async def replies(self, number: int) -> None:
        await ended(self.chat, await self.chat.send(ME, f"What is {number}?", sampling=SHORT))

    async def looks(self, number: int) -> None:
        turn = await ended(self.chat, await self.chat.send(ME, f"And what is {number}?", sampling=SHORT))
        await last(probabilities.probabilities(self.inspector, turn))

    async def temporary(self, number: int) -> None:
        await ended(self.chat, await self.chat.send(ME, f"Forget {number}.", sampling=SHORT, keep=False))

    async def unstored(self, number: int) -> None:
        body = {"messages": [{"role": "user", "content": f"Nobody keeps {number}."}], "store": False, "max_tokens": 6}
        answer = await self.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200, answer.text

    async def run(self) -> list[int]:
        seen = []
        for begin, end in ((lambda most: 0, lambda most: FIRST), (lambda most: FIRST, lambda most: most)):
            for kind, most in ROUNDS.items():
                for number in range(begin(most), end(most)):
                    await getattr(self, kind)(number)
            seen.append(resident())
        await self.chat.shutdown()
        return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(Use(Path(sys.argv[1]), Path(sys.argv[2])).run())))
