"""The context meter: what sending a message would use of the model's context, while it is being typed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from chatapp.compose import messages_of
from chatapp.prompt import Budget, forecast
from chatapp.turn import Sampling, Turn

if TYPE_CHECKING:
    from chatapp.engines.resident import Resident

DEFAULTS = Sampling()

FRESH = 1.0
"""Seconds that a conversation is shown as it was: the meter asks at every key press."""

KEPT = 100


class Meter:
    """Reads conversations by `path(owner, conversation_id)`, and the last KEPT of them from memory."""

    def __init__(self, resident: "Resident", path: Callable[[str, str], Awaitable[list[Turn]]]) -> None:
        self.resident = resident
        self._path = path
        self._seen: dict[tuple[str, str], tuple[float, list[Turn]]] = {}

    async def budget(
        self, owner: str, conversation_id: str | None, text: str, *, system: str = "", sampling: Sampling = DEFAULTS
    ) -> Budget:
        """What sending `text` would use, reserve and drop of the context. Raises ChatError while there is no engine, NotFound."""
        engine = self.resident.engine
        path = await self._turns(owner, conversation_id) if conversation_id else []
        messages = messages_of(path, system=system, user=text)
        context, room = engine.capabilities.context, sampling.max_tokens
        return await asyncio.to_thread(forecast, messages, engine.tokenizer, context=context, max_tokens=room)

    async def _turns(self, owner: str, conversation_id: str) -> list[Turn]:
        read, path = self._seen.get((owner, conversation_id), (-FRESH, []))
        if time.monotonic() - read > FRESH:
            path = await self._path(owner, conversation_id)
            self._seen = dict(list(self._seen.items())[1 - KEPT :])
            self._seen[owner, conversation_id] = time.monotonic(), path
        return path
