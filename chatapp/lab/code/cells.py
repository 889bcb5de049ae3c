"""A program as cells of words and code: in a Python script the words are comments, in a notebook they are Markdown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Literal

WIDTH = 100
"""Characters of a line of words or of a written value."""

ROOM = 20
"""Of them for what stands before a value."""


@dataclass(frozen=True)
class Cell:
    """What stands in one cell. Nobody's words are among `words` but ours and the names of models: typed text is a value in code."""

    kind: Literal["words", "code"]
    text: str


def words(*paragraphs: str) -> Cell:
    """Explanations; a paragraph is one line of Markdown, whatever is in it."""
    return Cell("words", "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph))


def code(*lines: str) -> Cell:
    """Statements, a line or several lines each."""
    return Cell("code", "\n".join(lines))


def literal(value: Any, indent: str = "") -> str:
    """A value as Python writes it; what is longer than a line is a line for each item, or several for numbers. Texts stay whole."""
    if len(short := repr(value)) <= WIDTH - len(indent) - ROOM or not isinstance(value, list | dict):
        return short
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        lines = wrap(short[1:-1], WIDTH - len(indent) - 4)
    elif isinstance(value, list):
        lines = [f"{literal(item, indent + '    ')}," for item in value]
    else:
        lines = [f"{key!r}: {literal(item, indent + '    ')}," for key, item in value.items()]
    first, last = short[0], short[-1]
    return f"{first}\n" + "".join(f"{indent}    {line}\n" for line in lines) + f"{indent}{last}"


def script(cells: Sequence[Cell]) -> str:
    """One Python file."""
    return "\n\n".join(_commented(cell.text) if cell.kind == "words" else cell.text for cell in cells) + "\n"


def notebook(cells: Sequence[Cell]) -> str:
    """One .ipynb file, format 4.5."""
    made = {
        "cells": [_plain(number, cell) for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(made, indent=1) + "\n"


def _commented(text: str) -> str:
    plain = text.lstrip("# ")
    lines = [line for part in plain.split("\n") for line in wrap(part, WIDTH, break_on_hyphens=False, break_long_words=False) or [""]]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _plain(number: int, cell: Cell) -> dict[str, Any]:
    made: dict[str, Any] = {"cell_type": "markdown" if cell.kind == "words" else "code", "id": f"cell-{number}", "metadata": {}}
    if cell.kind == "code":
        made |= {"execution_count": None, "outputs": []}
    return made | {"source": cell.text.splitlines(keepends=True) if cell.kind == "words" else _lines(cell.text)}


def _lines(text: str) -> list[str]:
    """Cut at line feeds alone: other ends of lines may stand in a text that is a value."""
    lines = text.split("\n")
    return [*(f"{line}\n" for line in lines[:-1]), lines[-1]]
