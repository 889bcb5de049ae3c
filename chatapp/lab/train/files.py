"""Documents of a file: a .txt is one, of a .jsonl each line, of a .csv and .parquet each row. What is no text is refused with numbers."""

import csv
import io
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chatapp import strict_json
from chatapp.errors import ChatError, closest

LARGEST = 2 << 30
"""Bytes of a file: all of it is held in memory, several times over."""

LONGEST_WORD = 100_000
"""Characters without a space: such a text is data, and a vocabulary trained on it would take hours."""

CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
MOST_CONTROL = 0.001
"""Share of control characters that a text may have."""


def documents(path: Path, column: str) -> list[str]:
    """The texts of a file, none of them empty. Raises ChatError."""
    taken = size(path)
    if path.suffix.lower() == ".parquet":
        found = _parquet(path, column)
    else:
        text = text_of(path)
        readers = {".txt": lambda: [text], ".jsonl": lambda: _jsonl(path, text, column), ".csv": lambda: _csv(path, text, column)}
        found = list(readers[path.suffix.lower()]())
    found = [text.replace("\r\n", "\n") for text in found if text.strip()]
    if not found:
        raise ChatError(f"{path.name} has {taken:,} bytes and no text in them.", status=422)
    _refuse_data(path, found)
    return found


def text_of(path: Path) -> str:
    """A file of UTF-8, whole. Raises ChatError."""
    return _text(path, _bytes(path))


def size(path: Path) -> int:
    """Bytes. Raises ChatError for what cannot be read, what has no end or no beginning (a device, a pipe), and what is too large."""
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:  # a NUL, or half a character
        raise ChatError(f"{str(path)!r} is no path: {error}.", status=422) from error
    if not stat.S_ISREG(found.st_mode):
        raise ChatError(f"{path} cannot be read: it is no file, but a folder, a device or a pipe.", status=422)
    if found.st_size > LARGEST:
        raise ChatError(
            f"{path.name} has {found.st_size / 1e9:.1f} GB; it is held in memory, so {LARGEST >> 30} GiB is the most.", status=422
        )
    return found.st_size


def _bytes(path: Path) -> bytes:
    size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ChatError:
    return ChatError(f"{path} cannot be read: {error.strerror or error}.", status=422)


def _text(path: Path, data: bytes) -> str:
    if not data:
        raise ChatError(f"{path.name} is empty.", status=422)
    if zeros := data.count(0):
        raise ChatError(f"{path.name} is no text: {zeros:,} of its {len(data):,} bytes are 0, the first at {data.index(0):,}.", status=422)
    try:
        return strict_json.text(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ChatError(
            f"{path.name} is no text in UTF-8: byte {error.start:,}, in line {line:,}, is 0x{data[error.start]:02X}. Save it as UTF-8.",
            status=422,
        ) from error


def _refuse_data(path: Path, found: list[str]) -> None:
    """What decodes and is no text all the same."""
    characters, controls = sum(map(len, found)), sum(len(CONTROL.findall(text)) for text in found)
    if controls > MOST_CONTROL * characters:
        raise ChatError(f"{path.name} is no text: {controls:,} of its {characters:,} characters are control characters.", status=422)
    longest = max(_longest_word(text) for text in found)
    if longest > LONGEST_WORD:
        raise ChatError(
            f"{path.name} has {longest:,} characters without a space between them. A text has words; {LONGEST_WORD:,} is the most.",
            status=422,
        )


def _longest_word(text: str) -> int:
    """Found by steps of LONGEST_WORD: what is shorter needs no exact number."""
    return max((len(word) for word in re.findall(rf"\S{{{LONGEST_WORD},}}", text)), default=0)


def _jsonl(path: Path, text: str, column: str) -> Iterator[str]:
    for number, value in json_lines(path, text):
        value = value.get(column) if isinstance(value, dict) else value
        if not isinstance(value, str):
            raise ChatError(f"{path.name}, line {number:,} has no text in {column!r}. Name the field by column: NAME.", status=422)
        yield value


def json_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    """(number, value) of each line that is not empty. Raises ChatError for one that is no JSON."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, strict_json.parsed(line.encode())
        except ValueError as error:
            raise ChatError(f"{path.name}, line {number:,} is no JSON: {error}.", status=422) from error


def _csv(path: Path, text: str, column: str) -> Iterator[str]:
    names, rows = table(path, text)
    place = _place(path, column, names)
    for _, row in rows:
        if len(row) > place:
            yield row[place]


def table(path: Path, text: str) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """(names of the columns, rows with the number of their last line), parted by comma, semicolon or tab. The rows raise ChatError."""
    head = text.partition("\n")[0]
    csv.field_size_limit(LARGEST)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    return [name.strip() for name in next(reader, [])], _rows(path, reader)


def _rows(path: Path, reader: Any) -> Iterator[tuple[int, list[str]]]:
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise ChatError(f"{path.name}, line {reader.line_num:,}: {error}.", status=422) from error


def _place(path: Path, column: str, names: list[str]) -> int:
    if column in names:
        return names.index(column)
    shown = ", ".join(names[:12])
    near = closest(column, names)
    raise ChatError(
        f"{path.name} has no column {column!r}. Its {len(names)} columns are {shown[:300]}. Name the one with the text.{near}", status=422
    )


def _parquet(path: Path, column: str) -> list[str]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ChatError(f"{path.name} is read by the package pyarrow, which is not installed: make extras.", status=422) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _place(path, column, file.schema_arrow.names)
            values = file.read([column]).column(0).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise ChatError(f"{path.name} is no Parquet file that can be read: {str(error).splitlines()[0]}", status=422) from error
    if wrong := next((value for value in values if value is not None and not isinstance(value, str)), None):
        raise ChatError(f"{path.name}: the column {column!r} holds {type(wrong).__name__}, no text.", status=422)
    return [strict_json.text(value) for value in values if value]
