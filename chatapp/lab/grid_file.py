"""grid.yaml: a grid as page and command line read and write it. Unknown names are errors that name the nearest one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import yaml

from chatapp import strict_json
from chatapp.chat.build import clean
from chatapp.errors import ChatError
from chatapp.lab import assertions, lists
from chatapp.lab.grid import SWEEPABLE, Column, Grid, PromptSpec, Sweep
from chatapp.lab.lists import Files
from chatapp.lab.strict_yaml import known, load, text
from chatapp.sampling import DEFAULTS, Sampling

KEYS = ("prompts", "file", "variables", "columns", "replicas", "assert", "judge")
PROMPT_KEYS = ("prompt", "variables", "assert")
SETTINGS = tuple(field.name for field in fields(Sampling))
COLUMN_KEYS = ("name", "model", "system", *SETTINGS, "sweep")
LONGEST_NAME = 60


def parse(data: bytes | str, files: Files) -> Grid:
    """A grid from YAML, the files that it names read. Raises ChatError 422 that says where it is wrong, and what could be meant."""
    return read(load(data, "The grid", "Put its prompts into a file of their own."), files)


def read(value: Any, files: Files) -> Grid:
    """A grid from the values that its YAML has. Raises ChatError as `parse` does."""
    found = known(value, KEYS, "The grid")
    if ("prompts" in found) == ("file" in found):
        raise ChatError("A grid has either prompts, a list, or file, the name of one.", status=422)
    return Grid(
        prompts=_prompts(found, files),
        columns=_columns(found.get("columns")),
        variables=_variables(found.get("variables"), files),
        replicas=found.get("replicas", 1),
        assertions=assertions.read(found.get("assert"), "The grid"),
        judge=text(found.get("judge", ""), "judge").strip(),
    )


def plain(grid: Grid) -> dict[str, Any]:
    """The grid as plain values, all files read into it: two grids with the same answers have the same. `parse` reads it back."""
    made: dict[str, Any] = {"prompts": [_plain_prompt(spec) for spec in grid.prompts]}
    if grid.variables:
        made["variables"] = [dict(row) for row in grid.variables]
    made["columns"] = [_plain_column(column) for column in grid.columns]
    made["replicas"] = grid.replicas
    if grid.assertions:
        made["assert"] = [assertion.plain() for assertion in grid.assertions]
    if grid.judge:
        made["judge"] = grid.judge
    return made


def written(grid: Grid) -> str:
    """The grid as YAML, all files read into it."""
    return yaml.safe_dump(plain(grid), sort_keys=False, allow_unicode=True, width=100)


def _prompts(found: Mapping[str, Any], files: Files) -> tuple[PromptSpec, ...]:
    if "file" in found:
        name = text(found["file"], "file")
        rows = listed(name, files(name))
    else:
        rows = found["prompts"]
    if not isinstance(rows, list) or not rows:
        raise ChatError("prompts must be a list with at least one prompt.", status=422)
    return tuple(_prompt(row, f"Prompt {number}") for number, row in enumerate(rows, 1))


def listed(name: str, data: bytes) -> list[dict[str, Any]]:
    """The prompts of a file, as a grid lists them. Raises ChatError 422."""
    return [_from_row(row) for row in lists.prompts(name, data)]


def _from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file as the grid writes a prompt: what is neither prompt nor assert is a variable."""
    own = {name: value for name, value in row.items() if name not in ("prompt", "assert")}
    return {"prompt": row["prompt"], "variables": own, "assert": row.get("assert")}


def _prompt(row: Any, where: str) -> PromptSpec:
    row = {"prompt": row} if not isinstance(row, dict) else known(row, PROMPT_KEYS, where)
    with _said_of(where):
        words = clean(text(row.get("prompt"), "prompt"))
    own = _row(row.get("variables") or {}, where)
    return PromptSpec(words, assertions.read(row.get("assert"), where), own or None)


def _variables(value: Any, files: Files) -> tuple[Mapping[str, str], ...]:
    rows = lists.variables(value, files(value)) if isinstance(value, str) else value or []
    if not isinstance(rows, list):
        raise ChatError("variables must be the name of a .csv or .jsonl file, or a list of mappings.", status=422)
    return tuple(_row(row, f"Row {number} of the variables") for number, row in enumerate(rows, 1))


def _row(row: Any, where: str) -> dict[str, str]:
    if not isinstance(row, dict):
        raise ChatError(f"{where} must be a mapping from names to texts.", status=422)
    for name, value in row.items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ChatError(f"{where}: {name} must be a text or a number.", status=422)
    return {str(name): strict_json.text(str(value)) for name, value in row.items()}


def _columns(value: Any) -> tuple[Column, ...]:
    if not isinstance(value, list) or not value:
        raise ChatError("columns must be a list with at least one column, such as [{name: cold, temperature: 0}].", status=422)
    return tuple(_column(column, number) for number, column in enumerate(value, 1))


def _column(value: Any, number: int) -> Column:
    found = known(value, COLUMN_KEYS, f"Column {number}")
    name = " ".join(text(found.get("name", f"column {number}"), f"The name of column {number}").split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ChatError(f"The name of column {number} must have 1 to {LONGEST_NAME} characters.", status=422)
    with _said_of(f"Column {name!r}"):
        column = Column(
            name,
            text(found.get("model", ""), "model"),
            text(found.get("system", ""), "system"),
            Sampling.of({setting: found[setting] for setting in SETTINGS if setting in found}),
            _sweep(found["sweep"], found) if "sweep" in found else None,
        )
        column.variants()
    return column


def _sweep(value: Any, column: Mapping[str, Any]) -> Sweep:
    if not isinstance(value, dict) or len(value) != 1:
        raise ChatError("sweep takes one setting with its values, such as sweep: {temperature: [0, 0.5, 1]}.", status=422)
    [(name, values)] = known(value, SWEEPABLE, "sweep").items()
    if name in column:
        raise ChatError(f"{name} is set and swept. Leave one of them out.", status=422)
    if not isinstance(values, list) or len(values) < 2 or None in values:
        raise ChatError(f"the sweep of {name} needs a list of at least two values.", status=422)
    if name in ("model", "system"):
        values = [text(value, name) for value in values]
    return Sweep(name, tuple(values))


@contextmanager
def _said_of(where: str) -> Iterator[None]:
    """A refusal begins with the place that it speaks of."""
    try:
        yield
    except ChatError as error:
        raise ChatError(f"{where}: {error}", status=error.status) from error


def _plain_prompt(spec: PromptSpec) -> Any:
    if not spec.assertions and not spec.variables:
        return spec.text
    made: dict[str, Any] = {"prompt": spec.text}
    if spec.variables:
        made["variables"] = dict(spec.variables)
    if spec.assertions:
        made["assert"] = [assertion.plain() for assertion in spec.assertions]
    return made


def _plain_column(column: Column) -> dict[str, Any]:
    """Every setting is written down, so that a new default of the app changes no grid of before."""
    made: dict[str, Any] = {"name": column.name}
    made |= {name: value for name, value in (("model", column.model), ("system", column.system)) if value}
    swept = column.sweep.name if column.sweep else ""
    made |= {name: getattr(column.sampling, name) for name in SETTINGS if name not in (swept, "seed", "stop")}
    if column.sampling.seed is not None:
        made["seed"] = column.sampling.seed
    if column.sampling.stop != DEFAULTS.stop:
        made["stop"] = list(column.sampling.stop)
    if column.sweep is not None:
        made["sweep"] = {swept: list(column.sweep.values)}
    return made
