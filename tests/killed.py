"""The process that test_kill.py kills: python -m tests.killed DATABASE_URL TOKENIZER_FOLDER. Prints a line for each token it shows."""

import asyncio
import sys
import time

from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.store import Store
from tests.chats import ME
from tests.conftest import Scripted


async def reply_for_ever(url: str, folder: str) -> None:
    """Send one question and print `moment tokens` whenever a follower sees more of the reply; moment is the system's monotonic clock."""
    from transformers import AutoTokenizer

    engine = Scripted(AutoTokenizer.from_pretrained(folder), [f"w{n} " for n in range(1900)], delay=0.004)
    chat = Chat(ModelManager.of(engine), Store(url))
    turn = await chat.send(ME, "What is never lost?", sampling=Sampling(max_tokens=1900))
    print("conversation", turn.conversation_id, turn.id, flush=True)
    async for seen in chat.follow(ME, turn.id):
        print(time.monotonic(), len(seen.reply_ids), flush=True)


if __name__ == "__main__":
    asyncio.run(reply_for_ever(*sys.argv[1:]))
