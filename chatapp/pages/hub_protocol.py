"""The contract of the page Models with the Hub: what can be had, as whom it is asked. See protocol."""

from dataclasses import dataclass, field

from chatapp.models.search import Query
from chatapp.pages.models_protocol import Fits, Uses
from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class ModelSearch(Query, Request):
    """POST /ui/models-search: search the Hub. Answered by `ModelsFound`.

    text     what is searched for; a pasted address of a model's page names that model
    task, library, dataset   as the Hub calls them; '' for any
    most     the largest number of parameters, as 3B; '' for any
    sort     trending | downloads | likes | new
    rows     how many at the most
    """


@dataclass(frozen=True)
class HubRow:
    """A model on the Hub.

    size   number of parameters, in words
    gate   '' | auto | manual
    can    what it is for, or what its chat template can do, as [short, in words]
    xray   which views of X-ray will not work and why; '' where all will
    """

    name: str
    size: str
    licence: str
    gate: str
    downloads: str
    likes: str
    created: str
    languages: list[str]
    can: list[tuple[str, str]]
    xray: str
    fit: Fits
    use: Uses = field(default_factory=Uses)


@dataclass(frozen=True)
class ModelsFound:
    """`named`: the model whose address was pasted, or ''; `more`: whether there may be more rows."""

    rows: list[HubRow]
    named: str
    more: bool


@dataclass(frozen=True)
class ModelCardAsk(Request):
    """POST /ui/models-card: everything that can be known of a model on the Hub before it is downloaded. Answered by `ModelCard`."""

    name: str


@dataclass(frozen=True)
class ViewRow:
    """A view of X-ray, whether it will work, and why not or with which remark."""

    label: str
    works: bool
    words: str


@dataclass(frozen=True)
class ChoiceRow:
    """What can be fetched: the model, or one GGUF file of it. `name` is how it is loaded then."""

    name: str
    file: str
    size: str
    fit: Fits


@dataclass(frozen=True)
class ModelCard:
    """A model on the Hub.

    address  of its page there
    facts    as [name, words]; can, as [short, in words]
    problem  why nothing of it can be fetched; closed, why its files cannot be read by whoever asks
    front    the card's metadata, as [name, words]; blocks, the card's text as safe HTML
    """

    name: str
    address: str
    facts: list[tuple[str, str]]
    can: list[tuple[str, str]]
    views: list[ViewRow]
    choices: list[ChoiceRow]
    problem: str
    closed: str
    front: list[tuple[str, str]]
    blocks: list[str]
    use: Uses = field(default_factory=Uses)


@dataclass(frozen=True)
class ModelDownload(Request):
    """POST /ui/models-download: fetch a model from the Hub. Answered by {task}: the id of the task that does it."""

    name: str


@dataclass(frozen=True)
class ModelsAccount(Request):
    """POST /ui/models-account: as whom the Hub is asked. Answered by `HubAccount`."""


@dataclass(frozen=True)
class ModelsSignOut(Request):
    """POST /ui/models-signout: forget who signed in with Hugging Face, on a Space. Answered by `HubAccount`."""


@dataclass(frozen=True)
class ModelsToken(Request):
    """POST /ui/models-token: ask the Hub with this token in this browser's session; '' forgets it. Answered by `HubAccount`."""

    token: str


@dataclass(frozen=True)
class HubAccount:
    """`name` is '' without a token; `words` say where that comes from, `typed` whether it was typed here; `problem`, what is wrong.

    signed   a visitor of a Space signed in
    sign_in  the address at which one can; '' where one cannot
    """

    name: str
    words: str
    typed: bool
    problem: str
    signed: bool = False
    sign_in: str = ""
