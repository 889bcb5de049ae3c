"""The contract of the page Models: what is loaded, what is here. See protocol."""

from dataclasses import dataclass, field

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class ModelsAsk(Request):
    """POST /ui/models: what is loaded and what is on this machine. Answered by `Models`, by {} where the page has it already.

    have  the `sign` of what the page has; '' for nothing
    """

    have: str = ""


@dataclass(frozen=True)
class Fits:
    """Whether a model fits into the memory that is free: fits | tight | too large | unknown; and the numbers in words."""

    verdict: str
    words: str


@dataclass(frozen=True)
class Uses:
    """What a model is for. One that writes no text is never offered for a chat.

    purpose  chat | classifier | encoder | other
    words    what it does; '' for one that writes text
    unread   why the page Any text cannot look into it; '' where it can
    """

    purpose: str = "chat"
    words: str = ""
    unread: str = ""


@dataclass(frozen=True)
class LoadedRow:
    """A model in memory, or one that is coming.

    id      by which a chat asks for it
    state   loading | ready | failed | leaving
    words   what is being done, or why it failed; share is the part of it that is done, 0 to 1, or null
    facts   what it is and how it is served, as [name, words]
    """

    id: str
    name: str
    revision: str
    state: str
    words: str
    share: float | None
    facts: list[tuple[str, str]]


@dataclass(frozen=True)
class CopyRow:
    """X-ray's copy of the weights of the loaded model `id`, or an encoder or classifier; name and memory, what it takes, are words."""

    id: str
    name: str
    memory: str


@dataclass(frozen=True)
class LocalRow:
    """A model on this machine.

    name      as it is loaded; label is for people
    kind      embedded | cache | folder | gguf
    size      on the disk, in words
    problem   why it cannot be loaded, or ''
    loaded    its state in memory: '' | loading | ready | failed | leaving
    id        by which it is known where it is in memory, or was to be; '' elsewhere
    words     why it failed, or what is being done
    use       what it is for
    """

    name: str
    label: str
    kind: str
    revision: str
    place: str
    bytes: int
    size: str
    problem: str
    loaded: str
    id: str = ""
    words: str = ""
    use: Uses = field(default_factory=Uses)


@dataclass(frozen=True)
class PickRow:
    """A model on the Hub that is known to be a good first one. `purpose` names what writes no text, '' elsewhere."""

    name: str
    size: str
    words: str
    gated: bool
    fit: Fits
    purpose: str = ""


@dataclass(frozen=True)
class Models:
    """What is loaded, what is here, and how much of the disk it takes, in words.

    copies   beside the models: X-ray's copies of their weights, where those of the engine cannot be looked into; encoders and classifiers
    picks    good first models on the Hub, small first
    refused  why whoever asks may load, fetch and delete nothing, and does not see what is here; '' for the person at this machine
    """

    loaded: list[LoadedRow]
    copies: list[CopyRow]
    here: list[LocalRow]
    picks: list[PickRow]
    disk: str
    refused: str
    sign: str


@dataclass(frozen=True)
class ModelsOwn(Request):
    """POST /ui/models-own: chat models in the app's own folders that nobody has loaded yet, for the picker. Answered by `OwnModels`."""


@dataclass(frozen=True)
class OwnRow:
    """`name` as it is loaded, `label` as people call it."""

    name: str
    label: str


@dataclass(frozen=True)
class OwnModels:
    """Trained here, or kept in the app's folder. None for others than the person at this machine."""

    rows: list[OwnRow]


@dataclass(frozen=True)
class ModelLoad(Request):
    """POST /ui/models-load: load a model. Answered by {id} when that has begun; how it goes on, the tasks and `Models` say."""

    name: str


@dataclass(frozen=True)
class ModelUnload(Request):
    """POST /ui/models-unload: give a model's memory back when its replies are done; one that failed is forgotten. Answered by {}.

    copy  one of `Models.copies`; where it is X-ray's, the model stays
    """

    id: str
    copy: bool = False


@dataclass(frozen=True)
class ModelSave(Request):
    """POST /ui/models-save: save a model to a folder, new or empty. Answered by {task}: the id of the task that does it.

    id      of a loaded one, or the name of one on this machine that writes no text
    folder  a whole path, or a bare name for one among the app's models
    """

    id: str
    folder: str


@dataclass(frozen=True)
class ModelDelete(Request):
    """POST /ui/models-delete: delete a model from this machine. Answered by {words}: what that frees; it is done where `sure` says so."""

    name: str
    sure: bool = False
