"""What stands in memory beside the served models, counted in the one budget: X-ray's copies of their weights, where those of an engine
cannot be looked into, and encoders and classifiers, which no engine serves."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

from chatapp.errors import ChatError

if TYPE_CHECKING:
    from chatapp.engines.base import Engine
    from chatapp.resident.slot import ModelSlot

COPY = "X-ray's copy"

Kind = Literal["encoder", "classifier"]

MOST = 2
"""Encoders in memory, and classifiers; of more, the one used longest ago is freed."""


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
    def id(self) -> str:
        return self.slot.id

    @property
    def name(self) -> str:
        """For people."""
        return f"{COPY} of {self.slot.id}"

    @property
    def title(self) -> str:
        """The same, short: on a page that says the id besides."""
        return f"{COPY} of {self.slot.known.model}"

    @property
    def looked(self) -> int:
        """How many look into it, or its model, at this moment."""
        return self.slot.looked


@dataclass(eq=False)
class Unserved:
    """`it`, of `kind`, holds the weights in the folder `place`, in main memory, of which they take `bytes`."""

    kind: Kind
    label: str
    place: Path
    it: Any
    bytes: int
    used: float = field(default_factory=time.monotonic)
    looked: int = 0

    @property
    def id(self) -> str:
        return f"{self.kind} {self.place}"

    @property
    def name(self) -> str:
        """For people."""
        return f"the {self.kind} {self.label}"

    @property
    def title(self) -> str:
        """The same, at the head of a card."""
        return f"{self.label} ({self.kind})"

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Nothing makes room by it meanwhile."""
        self.looked += 1
        try:
            yield
        finally:
            self.looked -= 1


class Copies:
    """Copies by the engine that they are of, with which they go; of what is unserved at most MOST of a kind. On the event loop only."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Engine, Copy] = WeakKeyDictionary()
        self._unserved: list[Unserved] = []

    def get(self, engine: "Engine") -> Any:
        """What is looked into; None where there is none."""
        if (copy := self._kept.get(engine)) is None:
            return None
        copy.used = time.monotonic()
        return copy.it

    def keep(self, engine: "Engine", copy: Copy) -> None:
        self._kept[engine] = copy

    def unserved(self, kind: Kind) -> list[Unserved]:
        """All of a kind, the one used longest ago first."""
        return sorted((one for one in self._unserved if one.kind == kind), key=lambda one: one.used)

    def find(self, kind: Kind, place: Path) -> Unserved | None:
        """What is in that folder, which is used now; None where it is not in memory."""
        found = next((one for one in self._unserved if (one.kind, one.place) == (kind, place)), None)
        if found is not None:
            found.used = time.monotonic()
        return found

    def put(self, made: Unserved) -> None:
        """Keep it, in the place of one of its kind where there are MOST."""
        for old in self.unserved(made.kind)[::-1][MOST - 1 :]:
            self.drop(old)
        self._unserved.append(made)

    def all(self) -> list[Copy | Unserved]:
        """The one used longest ago first."""
        return sorted([*self._kept.values(), *self._unserved], key=lambda copy: copy.used)

    def drop(self, copy: Copy | Unserved) -> None:
        """Give its memory back; whoever looks into it at this moment ends first."""
        for engine in [engine for engine, kept in self._kept.items() if kept is copy]:
            del self._kept[engine]
        self._unserved = [one for one in self._unserved if one is not copy]
        copy.it = None

    def unload(self, id: str) -> None:
        """That of the model `id`, or what is unserved of that id. Raises ChatError where there is none."""
        of = [copy for copy in self.all() if copy.id == id]
        if not of:
            raise ChatError(f"Nothing of {id} is in memory beside the served models.", status=404)
        for copy in of:
            self.drop(copy)

    def clear(self) -> None:
        """Free them all."""
        self._kept.clear()
        self._unserved.clear()
