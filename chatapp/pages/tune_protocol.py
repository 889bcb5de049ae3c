"""The contract of fine-tuning on the page Train: what can be chosen, a plan, a run, its whole model, and before and after. See protocol."""

from dataclasses import dataclass, field
from typing import Any

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class TuneAsk(Request):
    """POST /ui/tune: what can be fine-tuned, and on which conversations. Answered by `TuneHome`."""


@dataclass(frozen=True)
class TuneModel:
    """A model on this machine; `refused`: why it cannot be fine-tuned, or ''."""

    name: str
    label: str
    refused: str


@dataclass(frozen=True)
class TuneChat:
    """A conversation of one's own; `replies`: how many of them came to their end, and are learned."""

    id: str
    title: str
    updated: float
    replies: int


@dataclass(frozen=True)
class TuneHome:
    """`first`: the name of the model that is chosen at first; `lesson`: the usual settings by name; `seen`: who else sees what is learned,
    in words, '' for nobody."""

    models: list[TuneModel]
    chats: list[TuneChat]
    first: str
    lesson: dict[str, Any]
    seen: str


@dataclass(frozen=True)
class TuneRead(Request):
    """POST /ui/tune-read: can these files and conversations be learned? Answered by {words}, what they hold, or a refusal."""

    files: list[str] = field(default_factory=list)
    chats: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TunePlan(Request):
    """POST /ui/tune-plan: what such a run would be, measured on some steps. Answered by lines of `Shown`, the data is {plan, refused}:
    chatapp/lab/finetune/plan.py, and sentences on what does not fit. Reading no further ends the work.

    model   by the name that `TuneHome` gave it
    files   of pairs, on this machine
    chats   ids of conversations
    lesson  epochs, rank, learning_rate and max_minutes, as they were typed
    name    of the run, '' for the usual one
    merge   the whole model is written at the end, too
    """

    model: str
    files: list[str] = field(default_factory=list)
    chats: list[str] = field(default_factory=list)
    lesson: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    merge: bool = False


@dataclass(frozen=True)
class TuneBegin(TunePlan):
    """POST /ui/tune-begin: begin such a run, behind those that run or wait. Answered by {id}."""


@dataclass(frozen=True)
class TuneMerge(Request):
    """POST /ui/tune-merge: write the whole model of a run, as a task. Answered by lines of `Shown` until it is there; who reads no further
    does not end it."""

    id: str


@dataclass(frozen=True)
class TuneBeside(Request):
    """POST /ui/tune-beside: the grid that has the model of before and the whole model of a run answer the prompts held out. Answered by
    {grid, title}, as `CompareBegin` takes them."""

    id: str
