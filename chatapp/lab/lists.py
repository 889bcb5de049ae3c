"""Lists from files: prompts and values of variables, one for each line of a .txt, row of a .csv or line of a .jsonl."""

import csv
import io
from collections.abc import Callable
from os.path import expanduser
from pathlib import Path
from typing import Any

from chatapp import strict_json
from chatapp.errors import ChatError

MOST_BYTES = 4 << 20
KINDS = (".txt", ".csv", ".jsonl")

Files = Callable[[str], bytes]
"""The bytes of a file that a grid names. Raises ChatError for one that may not be read."""


def beside(folder: Path) -> Files:
    """Files by their path, relative ones from `folder`."""

    def read(name: str) -> bytes:
        path = folder / expanduser(name)
        try:
            with path.open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except OSError as error:
            raise ChatError(f"{name} cannot be read: {error.strerror or error}.", status=422) from error

    return read


def no_files(name: str) -> bytes:
    """For a grid that comes from a browser: it may not name files of this machine."""
    raise ChatError(f"{name} is a file's name. Upload the file on the page, or run the grid on the command line.", status=422)


def prompts(name: str, data: bytes) -> list[dict[str, Any]]:
    """{prompt, …} of each entry: a line of a .txt; a row of a .csv, whose other columns are variables; a line of a .jsonl."""
    rows = _rows(name, data)
    if name.lower().endswith(".csv") and rows and "prompt" not in rows[0] and len(rows[0]) == 1:
        rows = [{"prompt": value} for row in rows for value in row.values()]
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("prompt"), str):
            raise ChatError(f"{name}: entry {number} has no prompt. It needs a column, or a field, named prompt.", status=422)
    return rows


def variables(name: str, data: bytes) -> list[dict[str, Any]]:
    """The rows of a .csv or .jsonl file, by the names of its columns."""
    if name.lower().endswith(".txt"):
        raise ChatError(f"{name}: variables need names. Give a .csv with a line of names first, or a .jsonl.", status=422)
    return _rows(name, data)


def _rows(name: str, data: bytes) -> list[dict[str, Any]]:
    text = _text(name, data)
    kind = Path(name).suffix.lower()
    if kind == ".txt":
        rows: list[dict[str, Any]] = [{"prompt": line.strip()} for line in text.splitlines() if line.strip()]
    elif kind == ".csv":
        rows = _table(name, text)
    elif kind == ".jsonl":
        rows = [_object(name, number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    else:
        raise ChatError(f"{name} must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}.", status=422)
    if not rows:
        raise ChatError(f"{name} holds no entry.", status=422)
    return rows


def _text(name: str, data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise ChatError(f"{name} is larger than {MOST_BYTES >> 20} MiB, more than any list needs here.", status=422)
    try:
        return strict_json.text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ChatError(f"{name} is no text in UTF-8: byte {error.start} is wrong. Save it as UTF-8.", status=422) from error


def _table(name: str, text: str) -> list[dict[str, Any]]:
    head = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error as error:
        raise ChatError(f"{name}, line {reader.line_num}: {error}.", status=422) from error
    names = [cell.strip() for cell in lines[0]] if lines else []
    if len(set(names)) < len(names) or "" in names:
        raise ChatError(f"{name}: its first line must name each column once: {', '.join(names)}.", status=422)
    for number, line in enumerate(lines[1:], 1):
        if len(line) != len(names):
            raise ChatError(f"{name}: row {number} has {len(line)} cells, its first line has {len(names)}.", status=422)
    return [dict(zip(names, line, strict=True)) for line in lines[1:]]


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    try:
        value = strict_json.parsed(line.encode())
    except ValueError as error:
        raise ChatError(f"{name}, line {number} is no JSON: {error}.", status=422) from error
    value = {"prompt": value} if isinstance(value, str) else value
    if not isinstance(value, dict):
        raise ChatError(f"{name}, line {number} must be an object or a text.", status=422)
    return value
