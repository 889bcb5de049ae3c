"""The command line of comparisons: python app.py compare grid.yaml --out results.jsonl, by the functions of the page."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models_cli_here import table
from chatapp.settings import EMBEDDED_MODEL, Settings, add_flags, from_namespace, reject_unknown_environment

if TYPE_CHECKING:
    from chatapp.lab.compare import Comparison
    from chatapp.lab.grid import Grid
    from chatapp.lab.results import Results
    from chatapp.lab.rows import Row
    from chatapp.resident.manager import ModelManager
    from chatapp.xray.inspector import Inspector

OWNER = "the command line"
MOST_STATUS = 125
"""Above it a shell means something else."""


def run(argv: Sequence[str]) -> int:
    """`compare` and what follows it; the exit status is how many replies failed. Raises ChatError for what cannot be done."""
    arguments = parser().parse_args(argv)
    reject_unknown_environment()
    settings = from_namespace(arguments)
    from chatapp.lab.grid_file import parse  # imports of seconds, after wrong flags are refused
    from chatapp.lab.judge import refuse_unknown
    from chatapp.lab.lists import beside
    from chatapp.lab.results import Results
    from chatapp.resident.manager import ModelManager

    grid_path, out = Path(arguments.grid), Path(arguments.out)
    refuse_one_file_for_two(arguments)
    grid = parse(beside(Path())(str(grid_path)), beside(grid_path.parent))
    refuse_losing_the_grid(grid_path, grid, out)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    models = ModelManager(with_models(settings, grid, named="model" in arguments))
    refuse_unknown(models, grid.judge, may_load=True)
    results = Results(out, grid, fresh=arguments.fresh)
    failures = asyncio.run(_answered(results, models))
    rows = list(results.rows.values())
    print(in_words(grid, rows))
    write_reports(arguments, grid, rows)
    return min(failures, MOST_STATUS)


def parser() -> argparse.ArgumentParser:
    """Its own flags, then the server's."""
    made = argparse.ArgumentParser(
        prog="python app.py compare",
        description="Answer every prompt of a grid by every column of it. The same command again goes on where it was cut. "
        "The exit status is the number of replies that failed.",
    )
    made.add_argument("grid", help="grid.yaml: prompts, columns, replicas, assertions, as docs/compare.md describes")
    made.add_argument("--out", required=True, metavar="RESULTS.jsonl", help="a line for each reply, written as it comes")
    made.add_argument("--html", metavar="REPORT.html", help="a report in one file that needs no network")
    made.add_argument("--csv", metavar="TABLE.csv", help="the replies as a table")
    made.add_argument("--markdown", metavar="REPORT.md", help="the numbers and the replies as Markdown")
    made.add_argument("--fresh", action="store_true", help="begin anew: what RESULTS.jsonl holds is lost")
    return add_flags(made)


def refuse_one_file_for_two(arguments: argparse.Namespace) -> None:
    """Nothing is written over the grid, nor one result over another. Raises ChatError that names both."""
    taken = {Path(arguments.grid).resolve(): "the grid itself"}
    for flag in ("out", "html", "csv", "markdown"):
        if name := getattr(arguments, flag):
            mine = f"the file of --{flag}"
            if (other := taken.setdefault(Path(name).resolve(), mine)) != mine:
                raise ChatError(f"--{flag} {name} is {other}. Name another file.")


def refuse_losing_the_grid(given: Path, grid: "Grid", out: Path) -> None:
    """What the grid is kept as beside the results may be the grid that was given: then it must say the same, to the letter."""
    from chatapp.lab.grid_file import written
    from chatapp.lab.results import grid_beside

    if out.is_dir() or grid_beside(out).resolve() != given.resolve() or given.read_bytes() == written(grid).encode():
        return
    raise ChatError(f"Beside --out {out} the grid is kept as {grid_beside(out).name}, over the grid itself. Name another file.")


def with_models(settings: Settings, grid: "Grid", *, named: bool) -> Settings:
    """The settings with the models of the columns; the first one is not loaded where no column asks for it."""
    wanted = list(dict.fromkeys(variant.model for variant in grid.variants()))
    if "" in wanted or named or settings.model != EMBEDDED_MODEL:
        return settings
    return settings.model_copy(update={"model": wanted[0], "more_models": (*settings.more_models, *wanted[1:])})


async def _answered(results: "Results", models: "ModelManager") -> int:
    """Answers the grid, a line on standard error for each reply; how many failed."""
    from chatapp.lab.compare import Comparison
    from chatapp.xray.inspector import Inspector

    models.start()
    task, inspector = models.tasks.begin(OWNER, "compare", f"Compare into {results.path.name}"), Inspector(models)
    comparison = Comparison(results, models, owner=OWNER, task=task, may_load=True, inspector=inspector)
    if number := len(comparison.rows):
        said = f", {comparison.judged} of them judged" if results.grid.judge else ""
        say(f"{number} of {len(comparison.cells)} replies were there already{said}.")
    try:
        async with aclosing(comparison.run()) as rows:
            async for row in rows:
                number += "judged" not in row
                say(judged_line(row) if "judged" in row else line_of(row, number, comparison))
    finally:
        await closed(inspector, models)
    for note in comparison.notes:
        say(note)
    return comparison.failures


async def closed(inspector: "Inspector", models: "ModelManager") -> None:
    """X-ray's thread ends what it has begun, for which it may ask this event loop."""
    await asyncio.to_thread(inspector.close)
    models.close()


def say(words: str) -> None:
    """Progress: standard output is for the result."""
    print(words, file=sys.stderr, flush=True)


def judged_line(row: "Row") -> str:
    """What the judge says of a reply, in a line."""
    from chatapp.lab.exports import title_of
    from chatapp.lab.metrics import BY_NAME, JUDGED

    judged = row["judged"]
    numbers = " · ".join(f"{name} {BY_NAME[name].said(judged[name])}" for name in JUDGED if name in judged)
    return f"judged: prompt {row['prompt_index'] + 1} · {title_of(row)} · {numbers or judged['why']}"


def line_of(row: "Row", number: int, comparison: "Comparison") -> str:
    """A reply in a line; `number` counts the lines, as several replies may be there when the first is said."""
    from chatapp.lab.metrics import BY_NAME
    from chatapp.lab.rows import failed

    replica = f" #{row['replica'] + 1}" if row["count"] == 1 else f" ×{row['count']}"
    head = f"[{number}/{len(comparison.cells)}] prompt {row['prompt_index'] + 1} · {row['column']}{replica}"
    if failed(row):
        return f"{head} · failed: {row['error']}"
    speed = BY_NAME["speed"]
    facts = [f"{row['tokens']} tokens", f"{speed.said(speed.value(row))} tokens/s", row["finish_reason"]]
    if row["assertions"]:
        facts.append(f"passes {sum(check['passed'] for check in row['assertions'])} of {len(row['assertions'])}")
    if left := comparison.seconds_left:
        facts.append(f"{left:.0f} s left")
    return " · ".join([head, *facts])


def in_words(grid: "Grid", rows: "Sequence[Row]") -> str:
    """The table of columns, what was read, and what made a difference."""
    from chatapp.lab.metrics import metrics_of, summaries, tokens_read
    from chatapp.lab.verdict import verdicts

    head = ("Column", "Replies", "Failed", *(metric.label for metric in metrics_of(grid)))
    found = summaries([variant.label for variant in grid.variants()], rows)
    body = [
        (column.label, str(column.replies), str(column.failures), *(metric.said(column.means[metric.name]) for metric in metrics_of(grid)))
        for column in found
    ]
    read, given = tokens_read(rows)
    lines = [table([head, *body]), f"Prompt tokens read: {read:,} of {given:,}; the others were in a KV cache."]
    return "\n".join([*lines, *(verdict.sentence for verdict in verdicts(grid, rows))])


def write_reports(arguments: argparse.Namespace, grid: "Grid", rows: "Sequence[Row]") -> None:
    """The files that were asked for."""
    from chatapp.lab import exports, report

    writers = {"html": report.html, "csv": exports.csv, "markdown": exports.markdown}
    for name, write in writers.items():
        if path := getattr(arguments, name):
            try:
                Path(path).write_text(write(grid, rows), encoding="utf-8", newline="")
            except OSError as error:
                raise ChatError(f"{path} cannot be written: {error.strerror or error}. The results are there.") from error
