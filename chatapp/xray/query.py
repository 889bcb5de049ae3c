"""One question to X-ray: who asks what of which turn, and what is there to answer it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatapp.engines.base import Engine
from chatapp.identity import Owner
from chatapp.turn import Turn

if TYPE_CHECKING:
    from chatapp.chat.service import Chat
    from chatapp.resident.slot import ModelSlot
    from chatapp.xray.inspector import Inspector


@dataclass(frozen=True)
class Values:
    """What a view is asked for, by name: loose values from a browser, so every number and text is read with care."""

    given: dict[str, Any]

    def number(self, name: str, default: int = 0) -> int:
        value = self.given.get(name)
        return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9 else default

    def text(self, name: str) -> str:
        value = self.given.get(name)
        return value if isinstance(value, str) else ""

    def model(self, name: str) -> str:
        """The name of a model, as somebody typed it."""
        return self.text(name).strip()


@dataclass(frozen=True)
class XrayQuery:
    """`turn` is the asker's own; `unsure` says why it is not known that the loaded model wrote it."""

    owner: Owner
    turn: Turn
    asked: Values
    chat: "Chat"
    inspector: "Inspector"
    unsure: str = ""

    @property
    def engine(self) -> Engine | None:
        """That of the model that wrote the turn, where it is in memory; else the first model's, once it is loaded."""
        return self.slot.engine if self.slot.state == "ready" else None

    @property
    def slot(self) -> "ModelSlot":
        """The model that wrote the turn, where it is known here; else the first one."""
        return self.chat.models.wrote(self.turn) or self.chat.models.first
