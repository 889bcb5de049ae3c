"""What a fine-tuning is asked for: a model, chats, and how they are learned. Checked, and kept in the run's folder as files."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab.finetune.pairs import Chat
from chatapp.sampling import shortened
from chatapp.settings import Settings
from chatapp.turn import Message

LESSON, CHATS, HELD_OUT = "lesson.json", "chats.jsonl", "held-out.jsonl"
"""In a run's folder: how is learned, from what, and which of it is measured on."""

EPOCHS, RANK = (1, 1000), (1, 512)
"""From, to."""

LONGEST_NAME = 100


@dataclass(frozen=True)
class Lesson:
    """How it is learned. `minutes` are of steps."""

    epochs: int = 3
    rank: int = 8
    learning_rate: float = 5e-4
    minutes: float = math.inf
    seed: int = 0


@dataclass(frozen=True)
class Tuning:
    """`model` as --model takes it, `device` and `data_dir` as the app has them; `merge`: the whole model is written, too."""

    model: str
    name: str
    chats: tuple[Chat, ...]
    lesson: Lesson
    settings: Settings
    merge: bool = False

    def files(self) -> dict[str, str]:
        """Name → text of all that a run of it needs, on this machine."""
        how = asdict(self.lesson) | {"minutes": self.lesson.minutes if math.isfinite(self.lesson.minutes) else None}
        where = {"device": self.settings.device, "data_dir": str(self.settings.data_dir.absolute())}
        said = {"model": self.model, "name": self.name, **where, "merge": self.merge, "lesson": how}
        return {LESSON: json.dumps(said, ensure_ascii=False, indent=1), CHATS: lines_of(self.chats)}


def read(folder: Path) -> Tuning:
    """What a run's folder asks for. Raises ChatError where it cannot be read."""
    try:
        said = json.loads((folder / LESSON).read_bytes())
        lesson = Lesson(**said["lesson"] | {"minutes": said["lesson"]["minutes"] or math.inf})
        settings = Settings(model=said["model"], device=said["device"], data_dir=Path(said["data_dir"]))
        return Tuning(said["model"], said["name"], tuple(chats_of(folder / CHATS)), lesson, settings, said["merge"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ChatError(f"What {folder} was begun with cannot be read ({error}). Begin it anew.") from error


def refuse_few(chats: Iterable[Chat]) -> None:
    """Before a run is begun that could not be: one chat is learned and another measured on. Raises ChatError 422."""
    if (count := len({chat.messages for chat in chats})) < 2:
        raise ChatError(f"Only {count} different chat was given. At least 2 are needed: one is held out to measure on.", status=422)


def lines_of(chats: Iterable[Chat]) -> str:
    """A line of JSON each."""
    said = ({"messages": [asdict(message) for message in chat.messages], "where": chat.where} for chat in chats)
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in said)


def chats_of(path: Path) -> list[Chat]:
    """Those that `lines_of` wrote down."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [Chat(tuple(Message(**message) for message in line["messages"]), line["where"]) for line in lines]


def lesson_of(values: Mapping[str, Any]) -> Lesson:
    """From what a person typed. Raises ChatError 422 that names what is wrong."""
    return Lesson(
        epochs=_whole(values.get("epochs"), "Epochs", *EPOCHS),
        rank=_whole(values.get("rank"), "Rank", *RANK),
        learning_rate=_number(values.get("learning_rate"), "The learning rate", 1),
        minutes=_number(values.get("max_minutes"), "Minutes", 100_000) if values.get("max_minutes") not in (0, "", "0", None) else math.inf,
    )


def _whole(value: Any, what: str, least: int, most: int) -> int:
    words = str(value).strip()
    if not (words.isdecimal() and words.isascii() and least <= int(words[:9]) <= most):
        raise ChatError(f"{what}: {shortened(value)} is no whole number from {least} to {most:,}.", status=422)
    return int(words)


def _number(value: Any, what: str, most: float) -> float:
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found <= most:
        raise ChatError(f"{what}: {shortened(value)} is no number above 0 and up to {most:,}.", status=422)
    return found
