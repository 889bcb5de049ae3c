"""`python -m tests.switching FIRST SECOND FOLDER`: two models by turns under one budget that holds one; prints the memory on the way.

One line of JSON: resident bytes of this process and its children after the first switch and back, and so on, after ten switches. Not the
proportional set size: that grows when another program ends that shared a library.
"""

import asyncio
import json
import sys
from pathlib import Path

import psutil

from chatapp.chat.service import Chat
from chatapp.models.memory import give_back
from chatapp.resident.budget import Budget
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.store import Store
from tests.chats import ME, ended

SWITCHES = 10
SHORT = Sampling(temperature=0, max_tokens=6)


class OneAtATime(Budget):
    """There is room only while no other model is loaded."""

    def __init__(self) -> None:
        super().__init__(free=lambda device: 0 if any(slot.loaded for slot in self.slots) else 2**40)


def all_bytes() -> int:
    give_back()
    own = psutil.Process()
    return sum(process.memory_info().rss for process in [own, *own.children(recursive=True)])


async def main(first: str, second: str, folder: Path) -> list[int]:
    models = ModelManager(Settings(model=first, data_dir=folder, device="cpu", context=512, threads=1, draft=0), budget=OneAtATime())
    models.start()
    await models.first.wait_ready()
    chat = Chat(models, Store("sqlite://"))

    async def to(slot: ModelSlot) -> None:
        slot.wake()
        await slot.wait_ready()
        turn = await ended(chat, await chat.send(ME, "Hi", sampling=SHORT, model=slot.id))
        assert turn.reply_ids and [other.id for other in models.slots() if other.loaded] == [slot.id]

    other = await models.load(second)
    seen = []
    for switch in range(SWITCHES + 1):
        await to(other if switch % 2 == 0 else models.first)
        seen.append(all_bytes())
    await chat.shutdown()
    models.close()
    return seen


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
