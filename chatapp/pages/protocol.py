"""The contract between the chat page and the server: every message of the door, field by field. docs/protocol.md is written from it.

Requests are read from loose JSON by `read`: a wrong type is refused by name, an unknown field too. Answers are plain dataclasses.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from chatapp.errors import ChatError

SESSION = "session"
"""In every request: a random name of this tab, which stands for its visitor where the browser keeps no cookies."""


class Request:
    """A message from the page."""

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Self:
        """From a JSON object. Raises ChatError 422 for a field of the wrong type, an unknown one, or one that is missing."""
        known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
        types = get_type_hints(cls)
        given = {name: value for name, value in asked.items() if name != SESSION}
        for name, value in given.items():
            if name not in known:
                raise ChatError(f"The page sent {name!r}, which this version of the app does not know. Reload the page.", status=422)
            if not _fits(value, types[name]):
                raise ChatError(f"The page sent {name!r} as {type(value).__name__}, which is not its type. Reload the page.", status=422)
        for name, one in known.items():
            if name not in given and _required(one):
                raise ChatError(f"The page left {name!r} out. Reload the page.", status=422)
        return cls(**given)


def _required(one: Field) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _fits(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, UnionType):
        return any(_fits(value, kind) for kind in get_args(wanted))
    if wanted is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    kind = get_origin(wanted) or wanted
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


@dataclass(frozen=True)
class ChatAction(Request):
    """POST /ui/chat: do something in a conversation. Answered by `Done`.

    do            send | regenerate | edit | continue | branch | stop | version | remove | restore | model
    conversation  where; null begins a new one
    leaf          the last turn the page shows: a message goes on from it
    turn          the turn that is meant
    text          what was typed (send, edit)
    keep_children remove: only this exchange, what follows moves up; restore with the same turn undoes it for ten minutes
    temporary     the conversation is kept nowhere (send without one: begin such a one)
    model         the id of who answers (send of a new chat, regenerate), '' for the one that answers here; model: it answers from now on
    position, token  branch: the reply's first `position` tokens, then `token`
    system, settings  system prompt, and the sampling settings by name (sampling.SAMPLING_PARAMS, seed, stop)
    """

    do: str
    conversation: str | None = None
    leaf: str | None = None
    turn: str = ""
    text: str = ""
    keep_children: bool = False
    temporary: bool = False
    position: int = 0
    token: int = 0
    model: str = ""
    system: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Done:
    """The conversation to show now, and the turn that began, if one did."""

    conversation: str | None
    turn: str | None = None


@dataclass(frozen=True)
class Watch(Request):
    """POST /ui/watch: what the page has; answered by lines of `News` until nothing runs any more.

    conversation  the one shown; null for a new chat
    have          the version of it that the page has; '' for none
    model, list   what the page has of the model's state and of the list: the `sign` of the last one
    query         what the list is searched for
    rows          how many rows of the list the page shows
    tick          seconds between two views that the page can keep up with
    pick          the id of the model that answers here as the page knows it; in a new chat the one that was chosen for it
    """

    conversation: str | None = None
    have: str = ""
    model: str = ""
    list: str = ""
    query: str = ""
    rows: int = 100
    tick: float = 0.005
    pick: str = ""


@dataclass(frozen=True)
class Line:
    """What stands under a reply, and what can be done with it.

    reason    why it ended: '', end, length, stop, stopped, error, interrupted
    position  its place in the queue, 1 is next; null once it runs
    at, of    which version of how many; previous, next are their ids
    more      whether it can be continued
    """

    facts: list[str]
    title: str
    note: str
    reason: str
    running: bool
    position: int | None
    empty: bool
    more: bool
    at: int
    of: int
    previous: str | None
    next: str | None


@dataclass(frozen=True)
class Said:
    """A message that came with a request or an import instead of from a turn. `blocks` is the HTML of a model's words."""

    role: str
    text: str
    blocks: list[str]


@dataclass(frozen=True)
class Row:
    """One exchange. `user` is text as typed; `blocks` is the reply's HTML, block by block; `text` its words as the model wrote them.

    `created` is when it was asked, in Unix seconds.
    """

    id: str
    created: float
    history: list[Said]
    user: str
    text: str
    blocks: list[str]
    line: Line


@dataclass(frozen=True)
class Path:
    """The visible path of a conversation; without one a new chat, or with `missing` one that is gone or somebody else's.

    `order` names all its rows; `rows` holds those that the page does not have as they are. `running` is the turn being written, or the
    next to be; `unsaved` says why the last one is not on disk. `answers` is the id of the model that answers next; `own` the one that the
    conversation was written with, where that is not known here, as a name that can be loaded.
    """

    conversation: str | None = None
    version: str = "new"
    title: str = ""
    system: str = ""
    temporary: bool = False
    missing: bool = False
    order: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    running: str | None = None
    unsaved: str = ""
    answers: str = ""
    own: str = ""


@dataclass(frozen=True)
class Grown:
    """The reply that is being written: its line, null where only its numbers changed, and the blocks that changed as [index, HTML]."""

    id: str
    line: Line | None
    blocks: list[tuple[int, str]]
    unsaved: str


@dataclass(frozen=True)
class Known:
    """A model to choose from.

    id, label    its public id, and what it is called among the others
    state        unloaded | loading | ready | failed | leaving
    words, share what is being done, why it failed or which server answers, and the part of it that is done, 0 to 1, or null
    """

    id: str
    label: str
    state: str
    words: str
    share: float | None


@dataclass(frozen=True)
class News:
    """One line of a watch: only what changed. The last one of all has `done`.

    `model` is the one that answers here: its id, state and limits; in it `known` are all to choose from, and `loads` says whether whoever
    asks may load others.
    """

    model: dict[str, Any] | None = None
    list: dict[str, Any] | None = None
    path: Path | None = None
    grown: Grown | None = None
    done: bool = False


@dataclass(frozen=True)
class Measure(Request):
    """POST /ui/measure: what the next message would use of the context. Answered by used, reserved, context, dropped, over in tokens.

    Answered by nothing while that cannot be said.
    """

    conversation: str | None = None
    text: str = ""
    model: str = ""
    system: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Manage(Request):
    """POST /ui/manage: do something to the list: rename | pin | unpin | delete | restore | erase. Answered by {}."""

    do: str
    id: str = ""
    title: str = ""


@dataclass(frozen=True)
class More(Request):
    """POST /ui/list: the list from the beginning, `rows` long. Answered as News.list: rows, total, query, sign."""

    query: str = ""
    rows: int = 100


@dataclass(frozen=True)
class Look(Request):
    """POST /ui/xray: one question about a recorded reply, answered by lines of `Shown`. Reading no further ends the work.

    view       the question: a view of X-ray or one of its further questions, listed below
    turn       the reply
    temporary  the temporary chat that the page shows; null for any other
    anyway     look by the weights that are loaded, where the record does not say by which the reply was made
    asked      what the question takes, by name: chatapp/xray/views/
    """

    view: str
    turn: str
    temporary: str | None = None
    anyway: bool = False
    asked: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoadModel(Request):
    """POST /ui/xray-load: load one more model for X-ray; answered by lines of `Shown`.

    turn   the reply that is looked at
    model  a name; '' for the model that wrote it
    """

    turn: str
    model: str = ""


@dataclass(frozen=True)
class Shown:
    """One line of an answer of X-ray.

    words, share   what is being done, and the share done
    data           what there is to show; it replaces what came before
    offer, anyway  what a person can do about the refusal that follows: load this model, or look by the weights that are loaded
    done           the last line
    """

    words: str = ""
    share: float | None = None
    data: dict[str, Any] | None = None
    offer: str = ""
    anyway: bool = False
    done: bool = False
