"""The contract of the page Models: what is loaded, what is here, what can be had. See protocol."""

from dataclasses import dataclass

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class ModelsAsk(Request):
    """POST /ui/models: what is loaded and what is on this machine. Answered by `Models`, by {} where the page has it already.

    have  the `sign` of what the page has; '' for nothing
    """

    have: str = ""


@dataclass(frozen=True)
class LoadedRow:
    """A model in memory, or one that is coming.

    state   loading | ready | failed | leaving
    words   what is being done, or why it failed; share is the part of it that is done, 0 to 1, or null
    facts   what it is and how it is served, as [name, words]
    """

    name: str
    revision: str
    state: str
    words: str
    share: float | None
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class LocalRow:
    """A model on this machine.

    name      as it is loaded; label is for people
    kind      embedded | cache | folder | gguf
    size      on the disk, in words
    problem   why it cannot be loaded, or ''
    loaded    whether it is in memory
    """

    name: str
    label: str
    kind: str
    revision: str
    place: str
    bytes: int
    size: str
    problem: str
    loaded: bool


@dataclass(frozen=True)
class Models:
    """What is loaded, what is here, and how much of the disk it takes, in words.

    refused  why whoever asks may load, fetch and delete nothing, and does not see what is here; '' for the person at this machine
    """

    loaded: list[LoadedRow]
    here: list[LocalRow]
    disk: str
    refused: str
    sign: str


@dataclass(frozen=True)
class ModelLoad(Request):
    """POST /ui/models-load: load a model. Answered by {} when that has begun; how it goes on, the tasks and `Models` say."""

    name: str
