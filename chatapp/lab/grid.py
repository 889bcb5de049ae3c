"""A grid: prompts × columns × replicas, as values. Expanded it gives questions, variants and cells; limits and seeds are decided here."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatapp.errors import ChatError, closest
from chatapp.lab.assertions import Assertion
from chatapp.sampling import DEFAULTS, MAX_SEED, SAMPLING_PARAMS, Sampling, shortened

MOST_PROMPTS = 200
MOST_COLUMNS = 6
MOST_SWEPT = 24
"""Values of one sweep, which is one column of the six."""

MOST_REPLICAS = 20
MOST_REPLIES = MOST_PROMPTS * MOST_COLUMNS * MOST_REPLICAS
"""24,000: a grid without sweeps never has more."""

MOST_CHARACTERS = 100_000_000
"""Of prompts and system prompts in all rows together: each row holds its own."""

SWEEPABLE = (*(param.name for param in SAMPLING_PARAMS), "model", "system")
MARK = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
"""A variable in a prompt: {{x}}."""


@dataclass(frozen=True)
class PromptSpec:
    """A prompt as the file has it: with {{marks}}, assertions of its own, and the variables that stood in its own row."""

    text: str
    assertions: tuple[Assertion, ...] = ()
    variables: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Sweep:
    """The setting that a column varies: a name of SWEEPABLE, and its values in order."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """One way to answer: a model ('' is the first one), a system prompt, sampling settings; a sweep makes several variants of it.

    `sampling.seed` None: a prompt's own seed.
    """

    name: str
    model: str = ""
    system: str = ""
    sampling: Sampling = DEFAULTS
    sweep: Sweep | None = None

    def variants(self) -> list["Variant"]:
        """The column itself, or one variant for each value of its sweep. Raises ChatError for a value that a setting does not take."""
        if self.sweep is None:
            return [Variant(self.name, self.name, self.model, self.system, self.sampling)]
        return [self._varied(self.sweep.name, value) for value in self.sweep.values]

    def _varied(self, name: str, value: Any) -> "Variant":
        label = f"{self.name} [{name}={str(value)[:60]}]"
        if name in ("model", "system"):
            changed = replace(self, **{name: value})
        else:
            changed = replace(self, sampling=replace(self.sampling, **{name: value}))
            value = getattr(changed.sampling, name)
        return Variant(label, self.name, changed.model, changed.system, changed.sampling, (name, value))


@dataclass(frozen=True)
class Variant:
    """A column with one value of its sweep: what fills one line, or one column, of the results. `label` names it there.

    `swept` is (setting, value) where the column is a sweep.
    """

    label: str
    column: str
    model: str
    system: str
    sampling: Sampling
    swept: tuple[str, Any] | None = None


@dataclass(frozen=True)
class Question:
    """A prompt with its variables filled in, and all that its replies are checked for."""

    index: int
    text: str
    assertions: tuple[Assertion, ...] = ()

    @property
    def seed(self) -> int:
        """The seed of a prompt where its column names none: the same in every column and every run."""
        return int.from_bytes(hashlib.sha256(self.text.encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Cell:
    """One reply that is to be made; a greedy one counts for all its replicas."""

    question: Question
    variant: Variant
    replica: int = 0
    count: int = 1

    @property
    def key(self) -> tuple[int, str, int]:
        """What names it in the results: prompt, column, replica."""
        return self.question.index, self.variant.label, self.replica

    @property
    def sampling(self) -> Sampling:
        """Its settings, with the seed that all columns share: the column's or the prompt's, plus the replica."""
        settings = self.variant.sampling
        if settings.greedy:
            return replace(settings, seed=None)
        seed = self.question.seed if settings.seed is None else settings.seed
        return replace(settings, seed=(seed + self.replica) % (MAX_SEED + 1))


@dataclass(frozen=True)
class Grid:
    """Prompts × columns × replicas. Checked on creation; raises ChatError with the limits.

    `variables` are rows: a prompt that has a mark is asked once for each row, another one once. `judge` is the model that reads every
    reply after it ended, '' for none; it changes no reply.
    """

    prompts: tuple[PromptSpec, ...]
    columns: tuple[Column, ...]
    variables: tuple[Mapping[str, str], ...] = ()
    replicas: int = 1
    assertions: tuple[Assertion, ...] = ()
    judge: str = ""

    def __post_init__(self) -> None:
        _limit(len(self.columns), MOST_COLUMNS, "column")
        if isinstance(self.replicas, bool) or not isinstance(self.replicas, int) or not 1 <= self.replicas <= MOST_REPLICAS:
            raise ChatError(f"replicas is {shortened(self.replicas)}; it must be a whole number from 1 to {MOST_REPLICAS}.", status=422)
        for column in self.columns:
            if column.sweep is not None:
                _limit(len(column.sweep.values), MOST_SWEPT, "value", f" in the sweep of {column.name}")
        _unique([variant.label for variant in self.variants()])
        _limit(len(self.questions()), MOST_PROMPTS, "prompt", ", variables filled in")
        cells = self.cells()
        replies, characters = len(cells), sum(len(cell.question.text) + len(cell.variant.system) for cell in cells)
        if characters > MOST_CHARACTERS:
            said = f"This grid's rows would hold {characters:,} characters of prompts; at most {MOST_CHARACTERS:,} are written."
            raise ChatError(f"{said} Take shorter prompts, or fewer columns or replicas.", status=422)
        if replies > MOST_REPLIES:
            raise ChatError(
                f"This grid has {replies:,} replies; at most {MOST_REPLIES:,} are made. Take fewer values or replicas.", status=422
            )

    def questions(self) -> list[Question]:
        """Every prompt, once for each row of variables where it has a mark."""
        filled = [words for spec in self.prompts for words in self._filled(spec)]
        return [Question(index, text, checks) for index, (text, checks) in enumerate(filled)]

    def variants(self) -> list[Variant]:
        """Every column, its sweep spread out."""
        return [variant for column in self.columns for variant in column.variants()]

    def cells(self) -> list[Cell]:
        """Every reply to be made: column by column within a prompt, so that columns fill side by side."""
        variants = self.variants()
        return [
            cell for question in self.questions() for replica in range(self.replicas) for cell in self._row(question, variants, replica)
        ]

    def _row(self, question: Question, variants: list[Variant], replica: int) -> list[Cell]:
        wanted = [variant for variant in variants if not (replica and variant.sampling.greedy)]
        return [Cell(question, variant, replica, self.replicas if variant.sampling.greedy else 1) for variant in wanted]

    def _filled(self, spec: PromptSpec) -> list[tuple[str, tuple[Assertion, ...]]]:
        checks = (*self.assertions, *spec.assertions)
        marks = {name for words in (spec.text, *(check.value for check in checks)) for name in MARK.findall(words)}
        own = dict(spec.variables or {})
        known = set(own) | {name for row in self.variables for name in row}
        if not marks or not known:
            return [(spec.text, checks)]
        for name in sorted(marks - known):
            raise ChatError(f"“{_short(spec.text)}” has {{{{{name}}}}}, and no such variable is given.{closest(name, known)}", status=422)
        rows = self.variables if marks - set(own) else ({},)
        return [_with(spec.text, checks, {**row, **own}) for row in rows]


def _with(text: str, checks: tuple[Assertion, ...], row: Mapping[str, str]) -> tuple[str, tuple[Assertion, ...]]:
    filled = [check.filled({mark[0]: row[mark[1]] for mark in MARK.finditer(check.value) if mark[1] in row}) for check in checks]
    return MARK.sub(lambda mark: row.get(mark[1], mark[0]), text), tuple(filled)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _limit(count: int, most: int, noun: str, where: str = "") -> None:
    if not 1 <= count <= most:
        raise ChatError(f"There are {count} {noun}s{where}; it must be 1 to {most}.", status=422)


def _unique(labels: list[str]) -> None:
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ChatError(f"Two columns are called {twice!r}. Give each a name of its own.", status=422)
