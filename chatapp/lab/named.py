"""A reply of a comparison as a person names it: its prompt and replica counted from 1, its column by name. What is not there is said."""

from collections.abc import Sequence

from chatapp.errors import ChatError, closest
from chatapp.lab.grid import Grid, Variant
from chatapp.lab.rows import Row, failed


def column_named(grid: Grid, label: str) -> Variant:
    """Raises ChatError with the columns that there are; a sweep has one for each of its values."""
    variants = grid.variants()
    if found := next((variant for variant in variants if variant.label == label), None):
        return found
    labels = [variant.label for variant in variants]
    raise ChatError(f"There is no column {label!r} here.{closest(label, labels)} There are: {', '.join(labels)}.", status=404)


def row_named(grid: Grid, rows: Sequence[Row], prompt: int, label: str, replica: int) -> Row:
    """A greedy reply stands for all its replicas. Raises ChatError with what there is where there is no such reply, or it failed."""
    column_named(grid, label)
    _within(prompt, len(grid.questions()), "prompt")
    _within(replica, grid.replicas, "replica")
    mine = [row for row in rows if (row["prompt_index"], row["column"]) == (prompt - 1, label)]
    found = next((row for row in mine if row["replica"] <= replica - 1 < row["replica"] + row["count"]), None)
    if found is None:
        there = ", ".join(_replicas(row) for row in mine)
        more = f"there are replicas {there}" if there else "there is none in this column"
        raise ChatError(f"Replica {replica} of {label} was not made for prompt {prompt}: {more}.", status=404)
    if failed(found):
        raise ChatError(f"Replica {replica} of {label} to prompt {prompt} failed: {found['error']}", status=409)
    return found


def _within(number: int, most: int, noun: str) -> None:
    if not 1 <= number <= most:
        there = "there is one" if most == 1 else f"there are {most}, counted from 1"
        raise ChatError(f"There is no {noun} {number} here: {there}.", status=404)


def _replicas(row: Row) -> str:
    first, last = row["replica"] + 1, row["replica"] + row["count"]
    return str(first) if first == last else f"{first} to {last}"
