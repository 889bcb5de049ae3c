"""The process that meets a forged model: loads it as the app does and asks it one question. What a person would read goes to a pipe."""

import asyncio
import os
import resource
import sys
from multiprocessing.connection import Connection
from pathlib import Path

MOST_MEMORY = 16 * 2**30
"""A forged file shall not take the machine down with it."""


def meet(path: Path, folder: Path, answer: Connection) -> None:
    """Send (kind, words): 'answered', or 'refused' with the sentence. All that is printed goes to `folder`/log."""
    log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    os.chdir(folder)
    sys.path.insert(0, "")
    answer.send(asyncio.run(asked(path, folder / "data")))
    os._exit(0)  # threads that load or render without an end are part of some files' plan


async def asked(path: Path, data: Path) -> tuple[str, str]:
    from chatapp.chat.service import Chat
    from chatapp.errors import ChatError
    from chatapp.resident.manager import ModelManager
    from chatapp.sampling import Sampling
    from chatapp.settings import Settings
    from chatapp.store import Store

    models = ModelManager(Settings(model=str(path), data_dir=data, concurrency=1, threads=1, device="cpu"))
    models.start()
    try:
        await models.first.wait_ready()
        chat = Chat(models, Store("sqlite://"))
        turn = await chat.send("me", "Hello aaaaaaaaaaaaaaaaaaaaaaaaaaaa!", sampling=Sampling(max_tokens=4))
        ended = [seen async for seen in chat.follow("me", turn.id)][-1]
    except ChatError as error:
        return "refused", str(error)
    return ("refused", ended.error) if ended.error else ("answered", ended.reply)
