"""kill -9 in the middle of a reply, 20 times at random moments: the question and all but the last second are there, to be continued."""

import asyncio
import random
import time
from pathlib import Path

import pytest

from chatapp.chat import actions
from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.store import Store
from chatapp.turn import Turn
from tests.chats import ME, ended
from tests.conftest import Scripted
from tests.killed import writing
from tests.turns import turns_of

MOMENTS = [random.Random(n).uniform(0.0, 3.5) for n in range(20)]
"""Seconds from the first token to the kill."""


def killed_mid_reply(url: str, tokenizer: Path, moment: float) -> tuple[str, str, list[tuple[float, int]], float]:
    """(conversation id, turn id, what a page was shown and when, when it was killed)"""
    with writing(url, tokenizer) as writer:
        time.sleep(moment)
        writer.process.kill()
        at = time.monotonic()
        return writer.conversation_id, writer.turn_id, list(writer.shown()), at


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m:.2f}s")
def test_nothing_older_than_a_second_is_lost_by_kill_9(moment: float, tmp_path: Path, tiny_llama: Path, scripted: Scripted) -> None:
    url = f"sqlite:///{tmp_path}/chat.db"
    conversation_id, turn_id, shown, at = killed_mid_reply(url, tiny_llama, moment)
    promised = max([count for when, count in shown if when < at - 1.0], default=0)
    asyncio.run(_check_and_continue(Store(url), scripted, conversation_id, turn_id, promised))


async def _check_and_continue(store: Store, engine: Scripted, conversation_id: str, turn_id: str, promised: int) -> None:
    chat = Chat(ModelManager.of(engine), store)
    [turn] = turns_of(store, ME, conversation_id)
    assert (turn.id, turn.user, turn.finish_reason, turn.can_continue) == (turn_id, "What is never lost?", "interrupted", True)
    assert len(turn.reply_ids) >= promised
    assert turn.reply_text == "".join(f"w{n} " for n in range(len(turn.reply_ids)))
    more: Turn = await ended(chat, await actions.resume(chat, ME, turn_id))
    assert engine.fed[-1] == (*turn.prompt_ids, *turn.reply_ids) and more.reply == turn.reply + "Hello world"
    await chat.shutdown()
