"""The contract of the page Train: a recipe read, planned and begun; a run watched, looked into and changed. See protocol."""

from dataclasses import dataclass, field
from typing import Any

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class TrainAsk(Request):
    """POST /ui/train: what can be trained, and the runs that are kept. Answered by `TrainHome`."""


@dataclass(frozen=True)
class TrainRun:
    """A run in the list. `kind`: train | finetune; `state`: queued | running | paused | stopped | done | failed; `words` say how it went
    so far."""

    id: str
    kind: str
    name: str
    created: float
    state: str
    words: str


@dataclass(frozen=True)
class TrainHome:
    """`refused`: why whoever asks cannot train, then all else is empty; `login`: the key under which the browser keeps the form."""

    refused: str
    login: str
    presets: list[str] = field(default_factory=list)
    corpora: list[str] = field(default_factory=list)
    runs: list[TrainRun] = field(default_factory=list)


@dataclass(frozen=True)
class TrainRecipe(Request):
    """POST /ui/train-recipe: a recipe.yaml (`text`), or its values (`recipe`), read strictly. Answered by `TrainWritten`."""

    text: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainWritten:
    """A recipe with everything that its preset decides: as values, as the file that page and command line read, and as a plain script."""

    recipe: dict[str, Any]
    text: str
    code: str


@dataclass(frozen=True)
class TrainCorpus(Request):
    """POST /ui/train-corpus: can the files of this recipe.yaml be trained on? Answered by {words}: what they hold, or a refusal."""

    text: str


@dataclass(frozen=True)
class TrainPlan(Request):
    """POST /ui/train-plan: what a run of this recipe.yaml would be, measured on three steps. Answered by lines of `Shown`, the data is
    {plan, refused}: chatapp/lab/train/plan.py, and sentences on what does not fit. Reading no further ends the work."""

    text: str


@dataclass(frozen=True)
class TrainBegin(Request):
    """POST /ui/train-begin: begin a run of this recipe.yaml, behind those that run or wait. Answered by {id}."""

    text: str


@dataclass(frozen=True)
class TrainDo(Request):
    """POST /ui/train-do: change a run. Answered by {}.

    do    stop | resume | rename | delete; rename takes `name`
    """

    do: str
    id: str
    name: str = ""


@dataclass(frozen=True)
class TrainWatch(Request):
    """POST /ui/train-watch: a run as it is and as it grows; answered by lines of `TrainNews` until it rests. `curves`: only what another
    run's picture takes, once."""

    id: str
    curves: bool = False


@dataclass(frozen=True)
class TrainNews:
    """A line of `TrainWatch`: what came since the line before; what did not change is left out.

    run       its run.json
    events    lines of its log.jsonl; of a kind and step that was sent before, the later one holds
    written   its recipe, in the first line; empty for a fine-tuning
    words, share   what is being done, of a run that is going on
    chat      how fast the chat writes beside it, in words
    """

    run: dict[str, Any] | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    written: TrainWritten | None = None
    words: str = ""
    share: float | None = None
    chat: str = ""
    done: bool = False


@dataclass(frozen=True)
class TrainLook(Request):
    """POST /ui/train-look: one question about a snapshot. Answered by lines of `Shown`. Reading no further ends the work.

    view   next | attention | layers | neighbours
    asked  what the question takes, by name: chatapp/xray/text/views.py
    """

    id: str
    step: int
    view: str
    prompt: str
    asked: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainSamples(Request):
    """POST /ui/train-samples: what a snapshot writes after the run's prompts. Answered by {samples}: of each {prompt, text}."""

    id: str
    step: int


@dataclass(frozen=True)
class TrainChat(Request):
    """POST /ui/train-chat: load a snapshot, or what a run ended with, as a model beside the others. Answered by
    {model}, for the chat's ?model=."""

    id: str
    step: int


@dataclass(frozen=True)
class TrainBeside(Request):
    """POST /ui/train-beside: the grid that has a snapshot and the run's last one answer its prompts. Answered by {grid, title}, as
    `CompareBegin` takes them."""

    id: str
    step: int
