"""Another process that writes a reply of some seconds, to be watched, stopped and killed."""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from transformers import AutoTokenizer

from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store
from tests.chats import ME
from tests.conftest import Scripted

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.killed"])  # a process that imports all this for itself takes seconds to start


@dataclass
class Writer:
    """The process, which reply it writes, and where it says what its own follower sees."""

    process: BaseProcess
    conversation_id: str
    turn_id: str
    pipe: Connection

    async def gone(self) -> int | None:
        """Its exit status; it ends when its reply does."""
        await asyncio.to_thread(self.process.join, 10)
        return self.process.exitcode

    def shown(self) -> Iterator[tuple[float, int]]:
        """(moment, tokens) of each view until it was killed; moment is the system's monotonic clock."""
        while True:
            try:
                yield self.pipe.recv()
            except (EOFError, OSError):  # the latter where it was killed while it wrote
                return


@contextmanager
def writing(url: str, tokenizer: Path) -> Iterator[Writer]:
    """A process that has begun to write."""
    ours, theirs = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=reply_for_ever, args=(url, str(tokenizer), theirs))
    process.start()
    theirs.close()
    with ours:
        try:
            conversation_id, turn_id = ours.recv()
            ours.recv()
            yield Writer(process, conversation_id, turn_id, ours)
        finally:
            process.kill()
            process.join()


def reply_for_ever(url: str, folder: str, pipe: Connection) -> None:
    """What the process does: asks one question and follows the reply."""
    asyncio.run(_followed(url, folder, pipe))


async def _followed(url: str, folder: str, pipe: Connection) -> None:
    engine = Scripted(AutoTokenizer.from_pretrained(folder), [f"w{n} " for n in range(1900)], delay=0.004)
    chat = Chat(ModelManager.of(engine), Store(url))
    turn = await chat.send(ME, "What is never lost?", sampling=Sampling(max_tokens=1900))
    pipe.send((turn.conversation_id, turn.id))
    async for seen in chat.follow(ME, turn.id):
        pipe.send((time.monotonic(), len(seen.reply_ids)))
