"""X-ray's copies: a model's weights once more, where those of its engine cannot be looked into; counted in the one budget."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from chatapp.errors import ChatError

if TYPE_CHECKING:
    from chatapp.engines.base import Engine
    from chatapp.resident.slot import ModelSlot

COPY = "X-ray's copy"


@dataclass(eq=False)
class Copy:
    """`it` holds the weights of `slot`'s model, in main memory, of which they take `bytes`.

    `used` is when it was looked into last (time.monotonic).
    """

    slot: "ModelSlot"
    it: Any
    bytes: int
    used: float = field(default_factory=time.monotonic)

    @property
    def name(self) -> str:
        """For people."""
        return f"{COPY} of {self.slot.id}"


class Copies:
    """Each by the engine that it is a copy of, with which it goes. On the server's event loop only."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Engine, Copy] = WeakKeyDictionary()

    def get(self, engine: "Engine") -> Any:
        """What is looked into; None where there is none."""
        if (copy := self._kept.get(engine)) is None:
            return None
        copy.used = time.monotonic()
        return copy.it

    def keep(self, engine: "Engine", copy: Copy) -> None:
        self._kept[engine] = copy

    def all(self) -> list[Copy]:
        """The one looked into longest ago first."""
        return sorted(self._kept.values(), key=lambda copy: copy.used)

    def drop(self, copy: Copy) -> None:
        """Give its memory back; whoever looks into it at this moment ends first."""
        for engine in [engine for engine, kept in self._kept.items() if kept is copy]:
            del self._kept[engine]
        copy.it = None

    def unload(self, id: str) -> None:
        """That of the model `id`. Raises ChatError where there is none."""
        of = [copy for copy in self.all() if copy.slot.id == id]
        if not of:
            raise ChatError(f"X-ray has no copy of {id} in memory.", status=404)
        for copy in of:
            self.drop(copy)

    def clear(self) -> None:
        """Free them all."""
        self._kept.clear()
