"""What the tests of the remote engine share: an engine over an address, what comes of a question to it, and why none came."""

from pathlib import Path
from typing import Any

import pytest

from chatapp.engines import open_engine
from chatapp.engines.remote.engine import RemoteEngine
from chatapp.errors import ChatError
from chatapp.models.sources import resolve
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Event, Finish, Message, Token

ASK = [Message("system", "Be brief."), Message("user", "Where?")]
GREEDY = Sampling(temperature=0, max_tokens=20)


def opened(name: str, **settings: Any) -> RemoteEngine:
    return open_engine(resolve(name, data_dir=Path("/nowhere")), Settings(**settings), lambda what, share: None)


async def events(engine: RemoteEngine, sampling: Sampling = GREEDY, prefix: str = "") -> list[Event]:
    prompt = engine.render(ASK, max_tokens=sampling.max_tokens, prefix=prefix)
    return [event async for event in engine.answer(prompt.text, sampling)]


def text_of(found: list[Event]) -> str:
    return "".join(event.text for event in found if isinstance(event, Token | Finish))


async def failure(engine: RemoteEngine, sampling: Sampling = GREEDY) -> tuple[str, str]:
    """(what was written, why it failed)"""
    written = ""
    with pytest.raises(ChatError) as why:
        async for event in engine.answer(engine.render(ASK, max_tokens=20).text, sampling):
            written += event.text if isinstance(event, Token) else ""
    return written, str(why.value)
