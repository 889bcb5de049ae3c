"""The contract of the page Any text: which models there are, and a text through one or two of them. See protocol."""

from dataclasses import dataclass, field
from typing import Any

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class TextAsk(Request):
    """POST /ui/text: the models that a text can be shown through. Answered by `TextModels`."""


@dataclass(frozen=True)
class TextModel:
    """A model to choose.

    name     by which a question names it; label is for people
    loaded   it is in memory, so that everybody may ask
    encoder  it reads a whole text at once, and writes none
    """

    name: str
    label: str
    loaded: bool
    encoder: bool


@dataclass(frozen=True)
class TextModels:
    """Loaded ones first. `longest`: the most characters of a text; `refused`: why whoever asks has no other model loaded, or ''; `login`:
    the key under which the browser keeps what a login typed, '' without one."""

    models: list[TextModel]
    longest: int
    refused: str
    login: str


@dataclass(frozen=True)
class TextTokens(Request):
    """POST /ui/text-tokens: a text cut by the tokenizers of one or two models, from their files, and by character and word.

    Answered by {text, plain, models}: for each model {name, encoder, kind, about, tokens, ids, rows, cells, words, back, around}, or
    {name, encoder, problem}.
    """

    text: str
    models: list[str]


@dataclass(frozen=True)
class TextLook(Request):
    """POST /ui/text-look: one question about a text, answered by lines of `Shown`. Reading no further ends the work.

    view   attention | layers | neighbours | bertviz | depth
    load   load what is not in memory; before a refusal `offer` names a model that would have to be loaded
    asked  what the question takes, by name: chatapp/xray/text/views.py
    """

    view: str
    text: str
    models: list[str]
    load: bool = False
    asked: dict[str, Any] = field(default_factory=dict)
