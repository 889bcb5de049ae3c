"""The contract of a model's files on the page Models: files explained, architecture, difference, a sentence cut. See protocol."""

from dataclasses import dataclass
from typing import Any

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class ModelFilesAsk(Request):
    """POST /ui/model-files: every file of a model on this machine explained. Answered by `ModelFiles`.

    name  as `Models` lists it; the person at this machine may also name a folder or a .gguf file
    """

    name: str


@dataclass(frozen=True)
class ModelFiles:
    """A model's folder, file by file.

    files    as {name, bytes, kind, explanation} with, where there is something to say, problem, lines of {key, value, words, known},
             content (text to read), and more: tokenizer (its kind), sentence {text, tokens, ids, offsets}, template {source, parts, text}
    absent   files that older models have and this one lacks, in the same form
    tensors  count, parameters, bytes, dtypes, and groups of {name, first, last, times, parameters, bytes, tensors}
    note     where more files are there than are listed
    """

    files: list[dict[str, Any]]
    absent: list[dict[str, Any]]
    tensors: dict[str, Any]
    note: str


@dataclass(frozen=True)
class ModelCut(Request):
    """POST /ui/model-cut: a text through the tokenizer of a model on this machine. Answered by {text, tokens, ids, …} or {problem}."""

    name: str
    text: str


@dataclass(frozen=True)
class ModelArchitecture(Request):
    """POST /ui/model-architecture: the modules of a model on this machine, built without its weights.

    Answered by {kind, printed, tree, summary, block, note}: `printed` is print(model), `block` what each part of a block does.
    """

    name: str


@dataclass(frozen=True)
class ModelDiff(Request):
    """POST /ui/model-diff: two models on this machine side by side.

    Answered by {sizes, keys, template, problems, note}, only what differs.
    """

    name: str
    other: str
