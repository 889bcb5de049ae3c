"""The contract of the page Compare: models and runs, a grid that is read and begun, a run that is watched and changed. See protocol."""

from dataclasses import dataclass, field
from typing import Any

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class CompareAsk(Request):
    """POST /ui/compare: the models that a column can name, and the runs that are kept. Answered by `CompareHome`."""


@dataclass(frozen=True)
class CompareModel:
    """A model to choose: a grid names it by `name`, '' is the first one; `label` is for people. What is not `loaded` is loaded by a run."""

    name: str
    label: str
    loaded: bool


@dataclass(frozen=True)
class CompareHome:
    """`runs` are the latest first: {id, title, created, cells, replies, running}, `replies` of `cells` being there.

    `login` is the key under which the browser keeps what a login typed, '' without one.
    """

    models: list[CompareModel]
    runs: list[dict[str, Any]]
    login: str


@dataclass(frozen=True)
class CompareOpen(Request):
    """POST /ui/compare-open: a grid.yaml, or a list of prompts (.txt, .csv, .jsonl), from the person's own machine.

    Answered by {grid}, as `CompareBegin` takes it; of a list it has the prompts alone.
    """

    name: str
    text: str


@dataclass(frozen=True)
class CompareOf(Request):
    """POST /ui/compare-of: the grid of a reply of a chat: as it was, and with another temperature.

    Answered by {grid, alone}; what was said before it is left out, unless it stands `alone`.
    """

    turn: str


@dataclass(frozen=True)
class CompareGrid(Request):
    """POST /ui/compare-grid: a grid as it would be begun. Answered by {yaml}, the file that page and command line read."""

    grid: dict[str, Any]


@dataclass(frozen=True)
class CompareBegin(Request):
    """POST /ui/compare-begin: begin a run of a grid, the mapping of a grid.yaml. Answered by {id}."""

    grid: dict[str, Any]
    title: str = ""


@dataclass(frozen=True)
class CompareDo(Request):
    """POST /ui/compare-do: change a run. Answered by {}.

    do      pause | go_on | stop | column | delete; column: make no more replies of the one that `column` labels
    """

    do: str
    id: str
    column: str = ""


@dataclass(frozen=True)
class CompareChat(Request):
    """POST /ui/compare-chat: put a reply into a chat of its own, or find the one that was made of it before. Answered by `Done`."""

    id: str
    prompt: int
    column: str
    replica: int


@dataclass(frozen=True)
class CompareAcross(Request):
    """POST /ui/compare-across: a reply and the one it is compared with, each read by both models; answered by lines of `Shown`.

    Their data is {columns, same_ids, parting, likely, notes}, `columns` with the one it is compared with first.
    parting   {sides, words}, null where both say the same; a side is {token, text, place, kept, of, candidates: {id, text, rank, p, left}},
              `left` being p after the settings; token is null where that reply had ended
    likely    {heads, table, words}, null until it is there; same_ids  one tokenizer made both

    `load`: read models that are not in memory, which a person asked for; otherwise the first of them is offered.
    """

    id: str
    prompt: int
    column: str
    replica: int
    against: str
    against_replica: int
    load: bool = False


@dataclass(frozen=True)
class CompareWatch(Request):
    """POST /ui/compare-watch: a run as it is and as it grows; answered by lines of `CompareNews` until it rests."""

    id: str


@dataclass(frozen=True)
class CompareColumn:
    """A column of the results. `settings` are those that shape its replies, in words."""

    label: str
    model: str
    system: str
    settings: str


@dataclass(frozen=True)
class CompareHead:
    """The first line. `grid` is the grid as it can be begun again; `prompts` have their variables filled in."""

    title: str
    grid: dict[str, Any]
    prompts: list[str]
    columns: list[CompareColumn]
    replicas: int


@dataclass(frozen=True)
class CompareCell:
    """A reply that ended, or was judged since. `prompt`, `column` (its label) and `replica` name it; it stands for `count` replies.

    blocks    its HTML
    facts     the quiet line: tokens, speed, why it ended, seed
    problem   why there is no reply, or ''; unjudged: why the grid's judge could not read it, or ''
    passed    whether it passes every assertion, null without any; `checks` are {assert, passed, why}
    """

    prompt: int
    column: str
    replica: int
    count: int
    blocks: list[str]
    facts: list[str]
    problem: str
    unjudged: str
    passed: bool | None
    checks: list[dict[str, Any]]


@dataclass(frozen=True)
class CompareGrown:
    """A reply that is being written: from character `at` of its text on there is `more`."""

    prompt: int
    column: str
    replica: int
    at: int
    more: str
    tokens: int


@dataclass(frozen=True)
class CompareState:
    """`replies` of `cells` are there. `words` say how it goes; `notes` are sentences on how to read the numbers; `stopped` are the labels
    of columns that get no more replies in this run. `unjudged` replies were not read by the grid's judge, and can be."""

    state: str
    replies: int
    cells: int
    share: float
    words: str
    notes: list[str]
    stopped: list[str] = field(default_factory=list)
    unjudged: int = 0


@dataclass(frozen=True)
class CompareParting:
    """Where a reply leaves that of the first column of the same replica; `words` say it, or that both are the same."""

    prompt: int
    column: str
    replica: int
    against: str
    against_replica: int
    same: bool
    words: str


@dataclass(frozen=True)
class CompareResult:
    """Of a run that rests. `verdicts` are {sentence, differs}; `metrics` {label, help}; `table` a line of texts for each column."""

    verdicts: list[dict[str, Any]]
    metrics: list[dict[str, str]]
    table: list[list[str]]
    partings: list[CompareParting]


@dataclass(frozen=True)
class ComparePictures:
    """A sweep, or the columns side by side: `figures` are HTML with SVG, one for each metric that has numbers.

    A dot is a link to #reply-PROMPT-COLUMN-REPLICA, each counted from 0, as `CompareHead` has them; its <title> says its value and
    whose it is.
    """

    title: str
    figures: list[str]


@dataclass(frozen=True)
class CompareNews:
    """A line of `CompareWatch`: what came since the line before; what did not change is left out.

    `pictures` take the place of those before.
    """

    head: CompareHead | None = None
    cells: list[CompareCell] = field(default_factory=list)
    grown: list[CompareGrown] = field(default_factory=list)
    state: CompareState | None = None
    result: CompareResult | None = None
    pictures: list[ComparePictures] = field(default_factory=list)
    done: bool = False
