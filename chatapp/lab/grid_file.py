"""grid.yaml: a grid as page and command line read and write it. Unknown names are errors that name the nearest one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import yaml

from chatapp import strict_json
from chatapp.chat.build import clean
from chatapp.errors import ChatError, closest
from chatapp.lab import assertions, lists
from chatapp.lab.grid import SWEEPABLE, Column, Grid, PromptSpec, Sweep
from chatapp.lab.lists import Files
from chatapp.sampling import DEFAULTS, Sampling, shortened

KEYS = ("prompts", "file", "variables", "columns", "replicas", "assert")
PROMPT_KEYS = ("prompt", "variables", "assert")
SETTINGS = tuple(field.name for field in fields(Sampling))
COLUMN_KEYS = ("name", "model", "system", *SETTINGS, "sweep")
LONGEST_NAME, LONGEST_NUMBER = 60, 30


def parse(data: bytes | str, files: Files) -> Grid:
    """A grid from YAML, the files that it names read. Raises ChatError 422 that says where it is wrong, and what could be meant."""
    return read(_loaded(data), files)


def read(value: Any, files: Files) -> Grid:
    """A grid from the values that its YAML has. Raises ChatError as `parse` does."""
    found = _known(value, KEYS, "The grid")
    if ("prompts" in found) == ("file" in found):
        raise ChatError("A grid has either prompts, a list, or file, the name of one.", status=422)
    return Grid(
        prompts=_prompts(found, files),
        columns=_columns(found.get("columns")),
        variables=_variables(found.get("variables"), files),
        replicas=found.get("replicas", 1),
        assertions=assertions.read(found.get("assert"), "The grid"),
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
    return made


def written(grid: Grid) -> str:
    """The grid as YAML, all files read into it."""
    return yaml.safe_dump(plain(grid), sort_keys=False, allow_unicode=True, width=100)


class _Strict(yaml.SafeLoader):
    """Refuses a name that stands twice in one mapping, for the first one would be lost without a word; what a few bytes of could
    fill the memory: aliases, which may hold one another, and endless numbers; and tags, for no grid needs one and `!!bool x` raises
    KeyError."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """See yaml.composer.Composer."""
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1
            raise ChatError(f"Line {line} of the grid has an alias (*). Write out what it stands for, or put it in quotes.", status=422)
        if (tag := self.peek_event().tag) is not None:
            line, typed = self.peek_event().start_mark.line + 1, shortened(tag.replace("tag:yaml.org,2002:", "!!"))
            raise ChatError(f"Line {line} of the grid has a tag ({typed}). Leave it out, or put the text in quotes.", status=422)
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """See yaml.SafeLoader."""
        self._refuse_endless(node)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """See yaml.SafeLoader. 1:1:…:1.5 is a number to base 60."""
        self._refuse_endless(node)
        return super().construct_yaml_float(node)

    def _refuse_endless(self, node: yaml.ScalarNode) -> None:
        if len(node.value) > LONGEST_NUMBER:
            raise ChatError(f"Line {node.start_mark.line + 1} of the grid has a number of {len(node.value)} digits.", status=422)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See yaml.SafeLoader."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ChatError(f"Line {node.start_mark.line + 1} of the grid: {twice!r} stands twice in one mapping.", status=422)
        return super().construct_mapping(node, deep)


_Strict.add_constructor("tag:yaml.org,2002:int", _Strict.construct_yaml_int)
_Strict.add_constructor("tag:yaml.org,2002:float", _Strict.construct_yaml_float)


def _loaded(data: bytes | str) -> Any:
    if len(data) > lists.MOST_BYTES:
        raise ChatError(f"The grid is larger than {lists.MOST_BYTES >> 20} MiB. Put its prompts into a file of their own.", status=422)
    try:
        return yaml.load(data, _Strict)
    except yaml.MarkedYAMLError as error:
        place = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ChatError(f"The grid is no YAML{place}: {error.problem}. Put texts with : ? # , in them into quotes.", status=422) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ChatError(f"The grid is no YAML: {str(error).splitlines()[0]}.", status=422) from error


def _known(value: Any, names: tuple[str, ...], where: str) -> dict[str, Any]:
    """A mapping that has these names only."""
    if not isinstance(value, dict):
        raise ChatError(f"{where} must be a mapping with {', '.join(names)}.", status=422)
    for name in value:
        if name not in names:
            raise ChatError(f"{where} has {shortened(name)}, which means nothing there.{closest(str(name), names)}", status=422)
    return value


def _prompts(found: Mapping[str, Any], files: Files) -> tuple[PromptSpec, ...]:
    if "file" in found:
        name = _text(found["file"], "file")
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
    row = {"prompt": row} if not isinstance(row, dict) else _known(row, PROMPT_KEYS, where)
    with _said_of(where):
        text = clean(_text(row.get("prompt"), "prompt"))
    own = _row(row.get("variables") or {}, where)
    return PromptSpec(text, assertions.read(row.get("assert"), where), own or None)


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
    known = _known(value, COLUMN_KEYS, f"Column {number}")
    name = " ".join(_text(known.get("name", f"column {number}"), f"The name of column {number}").split())
    if not 1 <= len(name) <= LONGEST_NAME:
        raise ChatError(f"The name of column {number} must have 1 to {LONGEST_NAME} characters.", status=422)
    with _said_of(f"Column {name!r}"):
        column = Column(
            name,
            _text(known.get("model", ""), "model"),
            _text(known.get("system", ""), "system"),
            Sampling.of({setting: known[setting] for setting in SETTINGS if setting in known}),
            _sweep(known["sweep"], known) if "sweep" in known else None,
        )
        column.variants()
    return column


def _sweep(value: Any, column: Mapping[str, Any]) -> Sweep:
    if not isinstance(value, dict) or len(value) != 1:
        raise ChatError("sweep takes one setting with its values, such as sweep: {temperature: [0, 0.5, 1]}.", status=422)
    [(name, values)] = _known(value, SWEEPABLE, "sweep").items()
    if name in column:
        raise ChatError(f"{name} is set and swept. Leave one of them out.", status=422)
    if not isinstance(values, list) or len(values) < 2 or None in values:
        raise ChatError(f"the sweep of {name} needs a list of at least two values.", status=422)
    if name in ("model", "system"):
        values = [_text(value, name) for value in values]
    return Sweep(name, tuple(values))


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ChatError(f"{what} is {shortened(value)}; it must be a text: put it in quotes.", status=422)
    return strict_json.text(value)


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
