"""The contract of the shell and the page About: what every page asks. See protocol."""

from dataclasses import dataclass

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class ShellAsk(Request):
    """POST /ui/shell: what every page shows. Answered by `Shell`, by {} where the page has it already.

    have  the `sign` of what the page has; '' for nothing
    """

    have: str = ""


@dataclass(frozen=True)
class TaskRow:
    """One long work.

    kind     load | download | convert | save | compare | classify | train
    state    running | done | failed | cancelled
    words    what is being done; share is the part of it that is done, 0 to 1, or null
    result   an address that shows what came of it, or ''
    can      what whoever asks may do: cancel | retry | dismiss
    """

    id: str
    kind: str
    title: str
    state: str
    words: str
    share: float | None
    error: str
    result: str
    can: list[str]


@dataclass(frozen=True)
class Shell:
    """The name of whoever is logged in, '' for nobody; and the tasks, the latest first."""

    user: str
    tasks: list[TaskRow]
    sign: str


@dataclass(frozen=True)
class TaskAction(Request):
    """POST /ui/tasks: do something with a task: cancel | retry | dismiss. Answered by {}."""

    do: str
    id: str


@dataclass(frozen=True)
class AboutAsk(Request):
    """POST /ui/about: what runs here. Answered by `About`."""


@dataclass(frozen=True)
class About:
    """What runs here, as [name, words]; whether /v1 is on, and the name of the model there, '' while there is none."""

    facts: list[tuple[str, str]]
    libraries: list[tuple[str, str]]
    api: bool
    model: str
