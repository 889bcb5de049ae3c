"""The context meter: what sending a message would use of the model's context, while it is being typed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from chatapp.chat.build import messages_of
from chatapp.identity import Owner
from chatapp.prompt.template import Budget
from chatapp.sampling import DEFAULTS, Sampling
from chatapp.turn import Turn

if TYPE_CHECKING:
    from chatapp.resident.manager import ModelManager

FRESH = 1.0
"""Seconds that a conversation is shown as it was: the meter asks at every key press."""


class Meter:
    """Reads conversations by `path(owner, conversation_id)`, and those of the last moment from memory."""

    def __init__(self, models: "ModelManager", path: Callable[[str, str], Awaitable[list[Turn]]]) -> None:
        self.models = models
        self._path = path
        self._seen: dict[tuple[str, str], tuple[float, list[Turn]]] = {}

    async def budget(
        self, owner: Owner, conversation_id: str | None, text: str, *, system: str = "", sampling: Sampling = DEFAULTS, model: str = ""
    ) -> Budget:
        """What sending `text` to this model would use, reserve and drop. Raises ChatError while it has no engine, NotFound."""
        engine = self.models.find(model).engine
        path = await self._turns(owner, conversation_id) if conversation_id else []
        messages = messages_of(path, system=system, user=text)
        return await asyncio.to_thread(engine.budget, messages, max_tokens=sampling.max_tokens)

    def forget(self, owner: Owner) -> None:
        """Hold nothing of what this owner said."""
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] != owner}

    async def _turns(self, owner: Owner, conversation_id: str) -> list[Turn]:
        self._seen = {key: seen for key, seen in self._seen.items() if time.monotonic() - seen[0] <= FRESH}
        if (owner, conversation_id) not in self._seen:
            path = await self._path(owner, conversation_id)
            self._seen[owner, conversation_id] = time.monotonic(), path
        return self._seen[owner, conversation_id][1]
