"""The report of a comparison: one HTML file that needs no network and no script. Numbers, verdicts, plots, and every reply."""

import re
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from chatapp.lab.exports import facts_of, ordered, title_of
from chatapp.lab.grid import Grid, Question
from chatapp.lab.metrics import beside, metrics_of, parting, summaries, tokens_read
from chatapp.lab.pictures import anchor, pictures
from chatapp.lab.rows import Row, failed
from chatapp.lab.verdict import verdicts
from chatapp.markdown import blocks

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The report fetches nothing and runs nothing, whatever a model wrote into it."""

ASSETS = Path(__file__).resolve().parents[2] / "assets"

COLOURS = re.compile(r"^(:root,\n\.light|\.dark) \{(.*?)\}", re.M | re.S)
"""The app's two palettes, as base.css begins with them."""

TITLE_LENGTH = 200
"""Characters of a reply that are shown under the pointer."""


def html(grid: Grid, rows: Sequence[Row]) -> str:
    """The whole file."""
    rows = ordered(grid, rows)
    places = {variant.label: place for place, variant in enumerate(grid.variants())}
    body = [_head(grid, rows), _verdicts(grid, rows), _table(grid, rows), _plots(grid, rows)]
    body += [_question(question, [row for row in rows if row["prompt_index"] == question.index], places) for question in grid.questions()]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>Comparison</title><style>{style()}</style></head>'
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def style() -> str:
    """The app's colours, light or dark as the reader's system has it, and the look of the page."""
    base, plots, page = ((ASSETS / name).read_text(encoding="utf-8") for name in ("base.css", "plots.css", "report.css"))
    light, dark = (colours for _, colours in COLOURS.findall(base))
    return f":root {{{light}}}\n@media (prefers-color-scheme: dark) {{ :root {{{dark}}} }}\n{plots}{page}"


def _head(grid: Grid, rows: Sequence[Row]) -> str:
    read, given = tokens_read(rows)
    models = sorted({" ".join(filter(None, (row["turn"]["model"], row["turn"]["dtype"], row["turn"]["engine"]))) for row in rows})
    facts = [
        f"{len(grid.questions())} prompts × {len(grid.variants())} columns × {grid.replicas} replicas",
        f"prompt tokens read: {read:,} of {given:,}",
        *models,
        time.strftime("%Y-%m-%d"),
    ]
    return f"<h1>Comparison</h1><p class='facts'>{escape(' · '.join(facts))}</p>"


def _verdicts(grid: Grid, rows: Sequence[Row]) -> str:
    found = verdicts(grid, rows)
    lines = "".join(f"<li{' class=differs' if verdict.differs else ''}>{escape(verdict.sentence)}</li>" for verdict in found)
    return f"<h2>What made the difference</h2><ul class='verdicts'>{lines}</ul>" if found else ""


def _table(grid: Grid, rows: Sequence[Row]) -> str:
    head = "".join(f"<th title='{escape(metric.help)}'>{metric.label}</th>" for metric in metrics_of(grid))
    lines = []
    for column in summaries([variant.label for variant in grid.variants()], rows):
        cells = "".join(f"<td>{metric.said(column.means[metric.name])}</td>" for metric in metrics_of(grid))
        lines.append(f"<tr><th>{escape(column.label)}</th><td>{column.replies}</td><td>{column.failures}</td>{cells}</tr>")
    top = f"<tr><th>Column</th><th>Replies</th><th>Failed</th>{head}</tr>"
    return f"<h2>Columns</h2><div class='wide'><table><thead>{top}</thead><tbody>{''.join(lines)}</tbody></table></div>"


def _plots(grid: Grid, rows: Sequence[Row]) -> str:
    found = pictures(grid, rows, lambda row: f"{row['prompt'][:60]}\n{row['reply'][:TITLE_LENGTH]}")
    return "".join(f"<h2>{escape(one.title)}</h2><div class='plots'>{''.join(one.figures)}</div>" for one in found)


def _question(question: Question, rows: Sequence[Row], places: Mapping[str, int]) -> str:
    columns: dict[str, list[Row]] = {}
    for row in rows:
        columns.setdefault(row["column"], []).append(row)
    first = next(iter(columns.values()), [])
    cells = "".join(_column(label, of, first, places) for label, of in columns.items())
    title = f"<h2>Prompt {question.index + 1}</h2><p class='prompt'>{escape(question.text)}</p>"
    return f"<section>{title}<div class='columns'>{cells}</div></section>"


def _column(label: str, rows: Sequence[Row], first: Sequence[Row], places: Mapping[str, int]) -> str:
    shown, *more = (_reply(row, first, anchor(row, places)) for row in rows)
    rest = f"<details><summary>{len(more)} more</summary>{''.join(more)}</details>" if more else ""
    return f"<div class='column'><h3>{escape(label)}</h3>{shown}{rest}</div>"


def _reply(row: Row, first: Sequence[Row], name: str) -> str:
    line = (
        f"<p class='line{' failed' if failed(row) or row['passed'] is False else ''}'>{escape(title_of(row))} · {escape(facts_of(row))}</p>"
    )
    return f"<article id='{name}'>{''.join(blocks(row['reply']))}{line}{_parting(row, first)}</article>"


def _parting(row: Row, first: Sequence[Row]) -> str:
    """Where it leaves the first column's reply of the same replica."""
    other = beside(row, first)
    if other is None:
        return ""
    found = parting(other, row)
    if found is None:
        return f"<p class='parting'>The same words as {escape(other['column'])}.</p>"
    parts = " → ".join(f"<b>{escape(words or '(end)')}</b>" for words in (found.first, found.second))
    return f"<p class='parting'>Parts from {escape(other['column'])} at {found.place}: {escape(found.before)}{parts}</p>"
