"""results.jsonl and the grid beside it: rows as they come, kept over a kill, taken up again; never those of another grid."""

import json
import os
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.lab import grid_file
from chatapp.lab.grid import Grid
from chatapp.lab.lists import no_files
from chatapp.lab.rows import Row, failed, key_of

try:
    import fcntl
except ImportError:  # Windows: two runs into one file are not noticed
    fcntl = None


KEY = ("prompt_index", "column", "replica")

JUDGED = b'{"judged"'
"""How a line begins that is no row: what a judge says of the row before it that has the same key."""


class Results:
    """The rows of one grid in a file, each written as one line before the next is made. Close it.

    `rows` are those of replies that ended, by Cell.key. A half last line, which a kill leaves, and rows of failures are dropped when the
    file is opened; a grid that changed is refused, unless `fresh`.
    """

    def __init__(self, path: Path, grid: Grid, *, fresh: bool = False) -> None:
        self.path, self.grid = path, grid
        self.rows: dict[tuple[int, str, int], Row] = {}
        self._apart = False
        self._file = self._opened()
        with ExitStack() as undo:
            undo.callback(self.close)
            if not fresh:
                self._take_up()
            self._begin()
            undo.pop_all()

    def append(self, row: Row) -> None:
        """Write a row down: whatever happens to this process then, it is there."""
        self._write(line_of(row))
        self.rows[key_of(row)] = row

    def judge(self, row: Row, judged: dict[str, Any]) -> Row:
        """What its judge says of a reply, written as a line of its own, which becomes part of the row's line when this is closed."""
        self._write(line_of({"judged": judged, **dict(zip(KEY, key_of(row), strict=True))}))
        self._apart = True
        self.rows[key_of(row)] = row | {"judged": judged}
        return self.rows[key_of(row)]

    def close(self) -> None:
        """Others may write to the file then."""
        if self._apart:
            with suppress(ChatError):  # then it stays as it is, which can be read as well
                replace_file(self.path, b"".join(map(line_of, self.rows.values())))
            self._apart = False
        self._file.close()

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise ChatError(f"{self.path} cannot be written: {error.strerror or error}. What is there stays.", status=507) from error

    def _opened(self) -> Any:
        try:
            file = self.path.open("a+b")
        except OSError as error:
            raise ChatError(f"{self.path} cannot be written: {error.strerror or error}.") from error
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.close()
                raise ChatError(f"Another run is writing {self.path}. Wait for it, or name another file.", status=409) from error
        return file

    def _take_up(self) -> None:
        """Read the rows of an earlier run of the same grid."""
        self._file.seek(0)
        data = self._file.read()
        if not data.strip():
            return
        before = self._grid_before()
        if changed := differences(before, grid_file.plain(self.grid)):
            raise ChatError(
                f"{self.path} holds replies to another grid: {changed} Name another file, or begin anew with --fresh.", status=409
            )
        wanted = {cell.key for cell in self.grid.cells()}
        found = rows_in(data, self.path)
        self.rows = {key_of(row): row for row in found if key_of(row) in wanted and not failed(row)}

    def _grid_before(self) -> dict[str, Any]:
        place = grid_beside(self.path)
        try:
            return grid_file.plain(grid_file.parse(place.read_bytes(), no_files))
        except OSError as error:
            sentence = f"{self.path} holds something, and {place.name}, which would say to which grid it belongs, cannot be read."
            raise ChatError(f"{sentence} Name another file, or begin anew with --fresh.", status=409) from error

    def _begin(self) -> None:
        """Both files as they are to be gone on with; the rows first, so that never another grid stands beside them."""
        kept = b"".join(map(line_of, self.rows.values()))
        self._file.seek(0)
        if self._file.read() != kept:
            replace_file(self.path, kept)
            self._file.close()  # the lock on the old file is of no use any more
            self._file = self._opened()
        replace_file(grid_beside(self.path), grid_file.written(self.grid).encode())


def grid_beside(path: Path) -> Path:
    """results.jsonl → results.grid.yaml: the grid that the rows answer, with all that its files held."""
    return path.with_suffix(".grid.yaml")


def read(path: Path) -> tuple[Grid, list[Row]]:
    """A run from disk: its grid and the rows so far. Raises ChatError."""
    try:
        grid = grid_file.parse(grid_beside(path).read_bytes(), no_files)
        return grid, rows_in(path.read_bytes(), path)
    except OSError as error:
        raise ChatError(f"{error.filename} cannot be read: {error.strerror}.", status=404) from error


def line_of(row: Row) -> bytes:
    """A row as its line."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def rows_in(data: bytes, path: Path) -> list[Row]:
    """The whole lines of a file. Raises ChatError for a line that is none of ours; what follows the last line end was cut by a kill."""
    lines = data.split(b"\n")[:-1]
    found: dict[tuple[int, str, int], Row] = {}
    for number, line in enumerate(lines, 1):
        with suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict) and {*KEY, "finish_reason"} <= set(row):
                found[key_of(row)] = row
                continue
            if line.startswith(JUDGED) and key_of(row) in found:
                found[key_of(row)]["judged"] = row["judged"]
                continue
        raise ChatError(f"Line {number} of {path} is no row of a comparison. Name another file, or compare anew with --fresh.", status=409)
    return list(found.values())


def replace_file(path: Path, data: bytes) -> None:
    """The whole file or the old one, whenever the process is killed. Raises ChatError."""
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise ChatError(f"{path} cannot be written: {error.strerror or error}.") from error


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """What changed from one grid to another, in a sentence; '' where nothing did."""
    found = []
    for name in ("prompts", "variables", "replicas", "assert"):
        if before.get(name) != now.get(name):
            found.append(_change(name, before.get(name), now.get(name)))
    if before.get("judge") and before.get("judge") != now.get("judge"):  # one may be added to replies that are there
        found.append(_change("judge", before.get("judge"), now.get("judge")))
    found += _columns(before["columns"], now["columns"])
    return f"{'; '.join(found)}." if found else ""


def _change(name: str, before: Any, now: Any) -> str:
    if isinstance(before, list) and isinstance(now, list) and len(before) != len(now):
        return f"{name}: {len(before)} before, {len(now)} now"
    if isinstance(before, list) and isinstance(now, list):
        number = next(n for n, (old, new) in enumerate(zip(before, now, strict=True), 1) if old != new)
        return f"{name}: number {number} is another"
    return f"{name}: {_said(before)} before, {_said(now)} now"


def _columns(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> Iterable[str]:
    old, new = ({column["name"]: column for column in columns} for columns in (before, now))
    for name in [*old, *(name for name in new if name not in old)]:
        if name not in new or name not in old:
            yield f"column {name!r} is {'new' if name in new else 'gone'}"
            continue
        for key in dict.fromkeys([*old[name], *new[name]]):
            if old[name].get(key) != new[name].get(key):
                yield f"column {name!r}: {key} was {_said(old[name].get(key))}, now {_said(new[name].get(key))}"
    if list(old) != list(new) and sorted(old) == sorted(new):
        yield "the columns stand in another order"


def _said(value: Any) -> str:
    words = "not given" if value is None else f"{len(value)} long" if isinstance(value, list) else repr(value)
    return words if len(words) <= 60 else f"{words[:59]}…"
