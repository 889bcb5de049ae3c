"""What the tests of comparisons share: a grid in a line, a run of it, and its rows."""

from contextlib import aclosing
from pathlib import Path

from chatapp.lab.compare import Comparison
from chatapp.lab.grid import Grid
from chatapp.lab.grid_file import parse
from chatapp.lab.lists import no_files
from chatapp.lab.results import Results
from chatapp.lab.rows import Row
from chatapp.resident.manager import ModelManager
from chatapp.tasks import Tasks

ME = "owner-me"

VOLATILE = ("seconds", "timings")
"""What differs between two runs of the same grid: how long it took, and what was already in a KV cache."""


def grid(text: str) -> Grid:
    return parse(text, no_files)


def comparison(text: str, path: Path, models: ModelManager, *, fresh: bool = False, may_load: bool = False) -> Comparison:
    results = Results(path, grid(text), fresh=fresh)
    return Comparison(results, models, owner=ME, task=Tasks().begin(ME, "compare", "Compare"), may_load=may_load)


async def rows_of(run: Comparison, at_most: int = 10**6) -> list[Row]:
    """Its rows as they come; after `at_most` it is closed, as by a kill."""
    found: list[Row] = []
    async with aclosing(run.run()) as rows:
        async for row in rows:
            found.append(row)
            if len(found) == at_most:
                break
    return found


def repeatable(row: Row) -> Row:
    """What two runs of the same grid have in common."""
    return {name: value for name, value in row.items() if name not in VOLATILE}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
