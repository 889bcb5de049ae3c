"""The contract of Copy as code: a reply of a chat, or a cell, a column or all of a comparison, as a program."""

from dataclasses import dataclass

from chatapp.pages.protocol import Request


@dataclass(frozen=True)
class CodeOf(Request):
    """POST /ui/code: the program that makes a reply of a chat again. Answered by `Code`."""

    turn: str
    notebook: bool = False


@dataclass(frozen=True)
class CompareCode(Request):
    """POST /ui/compare-code: the program of a reply of a comparison. Answered by `Code`.

    Of a column where `prompt` is null, of the whole grid where `column` is ''.
    """

    id: str
    column: str = ""
    prompt: int | None = None
    replica: int = 0
    notebook: bool = False


@dataclass(frozen=True)
class Code:
    """`name` is that of its file."""

    name: str
    text: str
