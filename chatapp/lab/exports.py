"""Results in forms that other programs take: a table (CSV) and a text (Markdown). The rows themselves are results.jsonl."""

import csv as csv_format
import io
import re
from collections.abc import Sequence

from chatapp.lab.grid import Grid
from chatapp.lab.metrics import metrics_of, summaries, tokens_read
from chatapp.lab.rows import Row, failed, key_of
from chatapp.lab.verdict import verdicts
from chatapp.sampling import SAMPLING_PARAMS

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would compute a text that begins so, whoever wrote it."""

FACTS = ("prompt_index", "prompt", "column", "replica", "count", "reply", "finish_reason", "error", "seconds")


def csv(grid: Grid, rows: Sequence[Row]) -> str:
    """A line for each row: what was asked, the reply, its numbers, the settings. A text that looks like a formula begins with '."""
    out = io.StringIO()
    writer = csv_format.writer(out)
    metrics = metrics_of(grid)
    names = [*FACTS, *(metric.name for metric in metrics), "model", "system", *(param.name for param in SAMPLING_PARAMS), "seed"]
    writer.writerow(names)
    for row in ordered(grid, rows):
        turn = row["turn"]
        facts = [row[name] for name in FACTS]
        numbers = [None if failed(row) else metric.value(row) for metric in metrics]
        settings = [turn["model"], turn["system"], *(turn["sampling"][param.name] for param in SAMPLING_PARAMS), turn["seed"]]
        writer.writerow(map(harmless, [*facts, *numbers, *settings]))
    return out.getvalue()


def markdown(grid: Grid, rows: Sequence[Row]) -> str:
    """The table of columns, the verdicts, and every reply under its prompt, fenced as it was written."""
    head = ["Column", "Replies", "Failed", *(metric.label for metric in metrics_of(grid))]
    found = summaries([variant.label for variant in grid.variants()], rows)
    table = [
        [column.label, str(column.replies), str(column.failures), *(metric.said(column.means[metric.name]) for metric in metrics_of(grid))]
        for column in found
    ]
    read, given = tokens_read(rows)
    parts = ["# Comparison", _table([head, ["---"] * len(head), *table])]
    parts += [f"Prompt tokens read: {read:,} of {given:,}.", "\n".join(f"- {verdict.sentence}" for verdict in verdicts(grid, rows))]
    for question in grid.questions():
        parts += [f"## Prompt {question.index + 1}", fenced(question.text)]
        parts += [_reply(row) for row in ordered(grid, rows) if row["prompt_index"] == question.index]
    return "\n\n".join(part for part in parts if part) + "\n"


def ordered(grid: Grid, rows: Sequence[Row]) -> list[Row]:
    """By prompt, column and replica, however they came."""
    places = {variant.label: place for place, variant in enumerate(grid.variants())}
    return sorted(rows, key=lambda row: (row["prompt_index"], places[row["column"]], key_of(row)[2]))


def fenced(text: str) -> str:
    """As a code block whose fence is longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def title_of(row: Row) -> str:
    """Column and replica; a greedy reply says for how many it stands."""
    return f"{row['column']} ×{row['count']}" if row["count"] > 1 else f"{row['column']} #{row['replica'] + 1}"


def facts_of(row: Row) -> str:
    """The quiet line of a reply."""
    if failed(row):
        return f"failed: {row['error']}"
    facts = [f"{row['tokens']} tokens", f"{row['seconds']:.1f} s", row["finish_reason"]]
    facts += ["passes" if row["passed"] else "fails: " + " ".join(check["why"] for check in row["assertions"] if check["why"])] * (
        row["passed"] is not None
    )
    return " · ".join(facts)


def _reply(row: Row) -> str:
    return f"### {_escaped(title_of(row))}\n\n{_escaped(facts_of(row))}" + ("" if failed(row) else f"\n\n{fenced(row['reply'])}")


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows)


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", " ".join(text.split()))


def harmless(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value
