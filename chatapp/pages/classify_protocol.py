"""The contract of the page Classify: which classifiers there are, a text through one of them, and a table. See protocol."""

from dataclasses import dataclass, field

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class ClassifyAsk(Request):
    """POST /ui/classify: what a text can be classified by. Answered by `Classifiers`."""


@dataclass(frozen=True)
class ClassifierRow:
    """A classifier to choose.

    name   by which a question names it; label is for people
    words  what was measured when it was trained here
    """

    name: str
    label: str
    words: str


@dataclass(frozen=True)
class Classifiers:
    """Those trained here first.

    chats    chat models in memory, which can say how likely each label is
    labels, prompt   what these are asked where nothing else is typed
    longest  the most characters of a text
    fetched  how the sentences to train on come here
    missing  what to install before one can be trained, or ''
    refused  why whoever asks can load and train none, or ''
    login    the key under which the browser keeps what a login typed, '' without one
    """

    models: list[ClassifierRow]
    chats: list[ClassifierRow]
    labels: list[str]
    prompt: str
    longest: int
    fetched: str
    missing: str
    refused: str
    login: str


@dataclass(frozen=True)
class ClassifyTrain(Request):
    """POST /ui/classify-train: train a classifier, as a task; for the person at this machine. Answered by {task}.

    name, text  a labelled file to learn from; '' for the rated movie sentences, which pip fetches once
    """

    name: str = ""
    text: str = ""
    text_column: str = ""
    label_column: str = ""


@dataclass(frozen=True)
class ClassifyLook(Request):
    """POST /ui/classify-look: a text through a classifier, answered by lines of `Shown`: first its steps, then the same with its words.

    model   a name of `Classifiers`; '' takes the first
    labels  a chat model says how likely each of these is, behind `prompt`, which has {text} in it; '' takes the usual one
    """

    text: str
    model: str = ""
    labels: list[str] = field(default_factory=list)
    prompt: str = ""


@dataclass(frozen=True)
class ClassifyTable(Request):
    """POST /ui/classify-table: a .csv, .jsonl or .txt file, answered by lines of `Shown`.

    The last has {labels, rows, count, cut, measured, words, csv, model}: docs/classify.md says what they are.

    text        what the file `name` holds
    model, labels, prompt       as in `ClassifyLook`
    text_column, label_column   '' finds them by their usual names
    """

    name: str
    text: str
    model: str = ""
    labels: list[str] = field(default_factory=list)
    prompt: str = ""
    text_column: str = ""
    label_column: str = ""
