"""The pictures of a comparison: for each sweep, and for the columns that are none, a strip of dots for each metric; a dot is a reply."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chatapp.lab.grid import Column, Grid
from chatapp.lab.metrics import METRICS, Metric
from chatapp.lab.plots import Dot, Group, strip
from chatapp.lab.rows import Row, failed, key_of

Numbers = Mapping[str, float | None]
"""What a reply measures, by Metric.name."""


@dataclass(frozen=True)
class Pictures:
    """What stands side by side, and a figure with SVG for each metric that has numbers."""

    title: str
    figures: list[str]


def numbers_of(row: Row) -> Numbers:
    """All that is measured of a reply."""
    return {metric.name: metric.value(row) for metric in METRICS}


def pictures(
    grid: Grid, rows: Sequence[Row], words: Callable[[Row], str], numbers: Callable[[Row], Numbers] = numbers_of
) -> list[Pictures]:
    """For each sweep its values side by side, for the other columns one picture of them, where one has several replies.

    A dot leads to '#' and the `anchor` of its reply; `words` are what it says under the pointer, after its value.
    """
    labels = [variant.label for variant in grid.variants()]
    measured: dict[str, list[tuple[Row, Numbers]]] = {label: [] for label in labels}
    for row in sorted(rows, key=key_of):
        if not failed(row):
            measured[row["column"]].append((row, numbers(row)))
    plain = [column for column in grid.columns if column.sweep is None]
    several = len(plain) > 1 and any(len(measured[column.name]) > 1 for column in plain)
    sets = ([("Columns side by side", plain)] if several else []) + [(_title(one), [one]) for one in grid.columns if one.sweep is not None]
    places = {label: place for place, label in enumerate(labels)}

    def dots(metric: Metric, label: str) -> list[Dot]:
        found = [(row, of[metric.name]) for row, of in measured[label]]
        return [Dot(n, f"{metric.said(n)} · {words(row)}", f"#{anchor(row, places)}") for row, n in found if n is not None]

    made = [Pictures(title, _figures(columns, dots)) for title, columns in sets]
    return [one for one in made if one.figures]


def anchor(row: Row, places: Mapping[str, int]) -> str:
    """The name of a reply's place on a page: reply-PROMPT-COLUMN-REPLICA, each counted from 0."""
    return f"reply-{row['prompt_index']}-{places[row['column']]}-{row['replica']}"


def _title(column: Column) -> str:
    return f"{column.name}: the sweep of {column.sweep.name}"


def _figures(columns: Sequence[Column], dots: Callable[[Metric, str], list[Dot]]) -> list[str]:
    variants, swept = [variant for column in columns for variant in column.variants()], columns[0].sweep
    found = []
    for metric in METRICS:
        groups = [Group(_value(v.swept[1]) if v.swept else v.label, dots(metric, v.label)) for v in variants]
        found.append(strip(f"{metric.label} by {swept.name}" if swept else metric.label, groups, joined=swept is not None))
    return [figure for figure in found if figure]


def _value(swept: object) -> str:
    return f"{swept:g}" if isinstance(swept, float) else str(swept)
