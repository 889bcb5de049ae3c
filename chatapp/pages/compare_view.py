"""What the page Compare shows of a run, as plain data: columns, replies that ended, where they part, and what the whole says."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

from chatapp.lab import grid_file
from chatapp.lab.compare import Comparison
from chatapp.lab.exports import title_of
from chatapp.lab.grid import Grid, Variant
from chatapp.lab.metrics import BY_NAME, beside, metrics_of, parting, speed, summaries, tokens_read
from chatapp.lab.pictures import Numbers, numbers_of
from chatapp.lab.pictures import pictures as made_of
from chatapp.lab.rows import Row, failed, unjudged
from chatapp.lab.verdict import verdicts
from chatapp.markdown import blocks
from chatapp.pages.compare_protocol import (
    CompareCell,
    CompareColumn,
    CompareHead,
    CompareParting,
    ComparePictures,
    CompareResult,
    CompareState,
)
from chatapp.pages.view import WHY, count, settings_of

CERTAIN = 3
"""Replies of a run before its time left is said."""


def head(title: str, grid: Grid) -> CompareHead:
    """What stands still while a run grows."""
    prompts = [question.text for question in grid.questions()]
    return CompareHead(title, grid_file.plain(grid), prompts, [column(variant) for variant in grid.variants()], grid.replicas)


def column(variant: Variant) -> CompareColumn:
    """A column of the results, a value of a sweep being one."""
    return CompareColumn(variant.label, variant.model, variant.system, settings_of(variant.sampling))


def cell(row: Row) -> CompareCell:
    """A reply that ended."""
    return CompareCell(
        prompt=row["prompt_index"],
        column=row["column"],
        replica=row["replica"],
        count=row["count"],
        blocks=[] if failed(row) else list(blocks(row["reply"])),
        facts=[] if failed(row) else facts(row),
        problem=row["error"] if failed(row) else "",
        unjudged=row.get("judged", {}).get("why", ""),
        passed=row["passed"],
        checks=[{**check, "assert": said(check["assert"])} for check in row["assertions"]],
    )


def facts(row: Row) -> list[str]:
    """tokens · tok/s · why it ended · seed · perplexity; only what is known."""
    pace, seed = speed(row), row["turn"]["seed"]
    found = [count(row["tokens"], "token"), f"{pace:.1f} tok/s" if pace else "", WHY[row["finish_reason"]]]
    greedy = row["turn"]["sampling"]["temperature"] == 0
    found += ["greedy" if greedy else f"seed {seed}" if seed is not None else ""]
    perplexity = BY_NAME["perplexity"]
    found += [f"perplexity {perplexity.said(number)}"] if (number := perplexity.value(row)) is not None else []
    return [fact for fact in found if fact]


def said(check: dict[str, object]) -> str:
    """{'contains': 'x'} → 'contains: x'."""
    [(kind, value)] = check.items()
    if isinstance(value, dict):
        value = ", ".join(f"{name} {limit}" for name, limit in value.items())
    return kind if value is True else f"{kind}: {value}"


def live(run: Comparison) -> CompareState:
    """How a run is getting on."""
    left = run.seconds_left if CERTAIN <= len(run.rows) < len(run.cells) else None
    words = [f"{len(run.rows)} of {len(run.cells)} replies"]
    words += [f"{run.failures} failed"] if run.failures else []
    words += [f"{run.judged} judged"] if run.results.grid.judge and run.rows else []
    words += ["paused"] if run.paused else [f"about {duration(left)} left"] if left is not None else []
    words += ["a model is made ready"] if not run.rows and not run.live and not run.paused else []
    state = "paused" if run.paused else "running"
    return CompareState(state, len(run.rows), len(run.cells), run.share, " · ".join(words), list(run.notes), sorted(run.stopped))


def rested(grid: Grid, rows: Sequence[Row], notes: Sequence[str], problem: str) -> CompareState:
    """A run that does not run."""
    cells, there = len(grid.cells()), sum(not failed(row) for row in rows)
    broken = sum(failed(row) for row in rows)
    words = [f"{there} of {cells} replies" if there < cells else f"{there} replies"]
    words += [f"{broken} failed"] if broken else []
    left = sum(map(unjudged, rows)) if grid.judge else 0
    words += [f"{left} not judged"] if left else []
    state = "finished" if len(rows) == cells and not broken and not left else "stopped"
    words += [problem] if problem else []
    return CompareState(state, len(rows), cells, len(rows) / cells, " · ".join(words), [*notes, *read(rows)], unjudged=left)


def read(rows: Sequence[Row]) -> list[str]:
    """How many prompt tokens were read, in a sentence."""
    mine, given = tokens_read([row for row in rows if not failed(row)])
    if not given:
        return []
    if mine == given:
        return [f"All {given:,} prompt tokens were read, none twice."]
    return [
        f"Of {given:,} prompt tokens {mine:,} were read; {given - mine:,} were there already, as one prompt is read once for its columns."
    ]


def result(grid: Grid, rows: Sequence[Row]) -> CompareResult:
    """What the numbers say, and where replies part."""
    found, metrics = summaries([variant.label for variant in grid.variants()], rows), metrics_of(grid)
    table = [
        [
            one.label,
            str(one.replies - one.failures),
            str(one.failures),
            *(metric.said(one.means[metric.name]) for metric in metrics),
        ]
        for one in found
    ]
    return CompareResult(
        [{"sentence": verdict.sentence, "differs": verdict.differs} for verdict in verdicts(grid, rows)],
        [{"label": metric.label, "help": metric.help} for metric in metrics],
        table,
        list(partings(grid, rows)),
    )


def pictures(grid: Grid, rows: Sequence[Row], numbers: Callable[[Row], Numbers] = numbers_of) -> list[ComparePictures]:
    """As the report has them; what a reply says is on the page already."""
    return [ComparePictures(one.title, one.figures) for one in made_of(grid, rows, title_of, numbers)]


def partings(grid: Grid, rows: Sequence[Row]) -> Iterable[CompareParting]:
    """Of every reply against the first column's."""
    first_label = grid.variants()[0].label
    firsts: dict[int, list[Row]] = {}
    for row in rows:
        if row["column"] == first_label:
            firsts.setdefault(row["prompt_index"], []).append(row)
    for row in rows:
        if other := beside(row, firsts.get(row["prompt_index"], ())):
            yield parted(row, other)


def parted(row: Row, other: Row) -> CompareParting:
    """Where one reply leaves another, in words."""
    found = parting(other, row)
    name = other["column"]
    words = f"Parts from {name} at {found.place}." if found else f"The same words as {name}."
    return CompareParting(row["prompt_index"], row["column"], row["replica"], name, other["replica"], found is None, words)


def duration(seconds: float) -> str:
    """75 → '75 s', 300 → '5 min'."""
    return f"{max(1, seconds):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def brief(news: object) -> dict[str, object]:
    """A line without what did not change."""
    return {name: value for name, value in asdict(news).items() if value}  # type: ignore[call-overload]
