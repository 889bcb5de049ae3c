"""Text that grows at its end → the HTML of its top-level blocks. Only the blocks that may still change are read again.

A block is closed when the next one has begun, on a line that nothing to come can change. Later text changes a closed block only by
defining a link or a footnote that it refers to.
"""

import re
from collections import ChainMap, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markdown_it.token import Token

from chatapp.markdown.folds import THINK
from chatapp.markdown.grammar import GRAMMAR

END_OF_THOUGHT = "</think>"
MOST_THOUGHTS = 50
"""In one reply; what follows them shows its tags. Each beginning reads the rest of the text."""

NO_CHARACTERS = re.compile("[\0\ud800-\udfff]")
MAYBE_A_NUMBER = re.compile(r" {0,3}\d{1,9}")
"""A last line that may become the next item of a list above."""


class Growing:
    """A reply while it is written. When its text is replaced (edited, or another version), make a new one.

    `thinking`: the chat template has written <think> already, so the reply begins with a thought.
    """

    def __init__(self, thinking: bool = False) -> None:
        self._part: Document | Thought = Thought() if thinking else Document()
        self._first = self._thoughts = 0
        self._held = ""

    def grow(self, more: str) -> list[tuple[int, str]]:
        """(index, HTML) of each block that changed. '' says that the block is gone: only the last ones ever go."""
        changed: dict[int, str] = {}
        rest: str | None = self._characters(more)
        while rest is not None:
            rest = self._part.grow(rest)
            blocks = self._part.blocks
            changed |= {self._first + index: blocks[index] if index < len(blocks) else "" for index in self._part.changed}
            if rest is not None:
                self._next_part()
        return sorted(changed.items())

    def _characters(self, more: str) -> str:
        """With line feeds only, and only what can be encoded. Half a line break waits for its other half."""
        more = self._held + more
        self._held = "\r" if more.endswith("\r") else ""
        more = more.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
        return NO_CHARACTERS.sub("\ufffd", more)

    def _next_part(self) -> None:
        self._first += len(self._part.blocks)
        if isinstance(self._part, Thought):
            self._part = Document(thoughts=self._thoughts < MOST_THOUGHTS)
        else:
            self._part = Thought()
            self._thoughts += 1


def blocks(text: str, thinking: bool = False) -> list[str]:
    """The HTML of each top-level block of a whole text."""
    return [html for _, html in Growing(thinking).grow(text)]


class Thought:
    """What a model thinks before it answers: one folded block, open until it ends. It ends at the first </think>, even in code."""

    def __init__(self) -> None:
        self._inside = Document(thoughts=False)
        self._held = ""
        self.blocks: list[str] = []
        self.changed: set[int] = set()

    def grow(self, more: str) -> str | None:
        """What follows the thought, or None as long as it goes on. What may become the end of it waits."""
        text, end, rest = (self._held + more).partition(END_OF_THOUGHT)
        held = 0 if end else next((n for n in range(len(END_OF_THOUGHT) - 1, 0, -1) if text.endswith(END_OF_THOUGHT[:n])), 0)
        self._held = text[len(text) - held :]
        self._inside.grow(text[: len(text) - held])
        html = "".join(self._inside.blocks)
        state = "" if end else ' open=""'
        folded = [f'<details class="reasoning"{state}><summary>Reasoning</summary>{html}</details>'] if html else []
        self.changed = {0} if folded != self.blocks else set()
        self.blocks = folded
        return rest if end else None


@dataclass
class Unit:
    """A top-level block of the open part: the line it begins with, and its tokens."""

    start: int
    tokens: list[Token]

    @property
    def kind(self) -> str:
        return self.tokens[0].type


class References(ChainMap[str, Any]):
    """The definitions of the closed part and, in front, those of the open one. Remembers which ones were asked for."""

    def __init__(self, known: dict[str, Any]) -> None:
        super().__init__({}, known)
        self.asked: set[str] = set()

    def __contains__(self, label: object) -> bool:
        self.asked.add(str(label))
        return super().__contains__(label)


class Document:
    """Markdown that grows, up to a thought."""

    def __init__(self, thoughts: bool = True) -> None:
        self.blocks: list[str] = []
        self.changed: set[int] = set()
        self._closed = 0
        self._open = ""
        self._thoughts = thoughts
        self._known: dict[str, Any] = {}
        self._fresh: dict[str, Any] = {}
        self._waiting: defaultdict[str, dict[int, list[Token]]] = defaultdict(dict)

    def grow(self, more: str) -> str | None:
        """What follows the beginning of a thought, or None."""
        self.changed = set()
        self._open += more
        lines = self._open.split("\n")
        references = References(self._known)
        env = {"references": references, "thoughts": self._thoughts}
        units = _units(GRAMMAR.read(self._open, env))
        rest, settled = None, _settled(units, lines)
        frontier = units[settled].start if units else len(lines) - 1
        if units and units[-1].kind == "thought":
            rest = "\n".join(lines[units.pop().start :]).partition(THINK)[2]
            settled, frontier = len(units), len(lines)
        self._redraw(env)
        self._draw(units, settled, env)
        self._close(frontier, lines, references)
        return rest

    def _redraw(self, env: Mapping[str, Any]) -> None:
        """Closed blocks that refer to what was just defined, or is being written."""
        fresh = {label: (entry["href"], entry["title"]) for label, entry in env["references"].maps[0].items()}
        labels = {label for label in fresh | self._fresh if fresh.get(label) != self._fresh.get(label)}
        self._fresh = fresh
        waiting = {index: tokens for label in labels & self._waiting.keys() for index, tokens in self._waiting[label].items()}
        for index, tokens in waiting.items():
            self._show(index, tokens, env, closed=True)

    def _draw(self, units: list[Unit], settled: int, env: Mapping[str, Any]) -> None:
        """The open part's blocks; those before `settled` for the last time."""
        index = self._closed
        for position, unit in enumerate(units):
            if unit.kind != "definition":
                self._show(index, unit.tokens, env, closed=position < settled)
                index += 1
                self._closed += position < settled
        self.changed |= set(range(index, len(self.blocks)))
        del self.blocks[index:]

    def _show(self, index: int, tokens: list[Token], env: Mapping[str, Any], closed: bool) -> None:
        references = env["references"]
        references.asked = set()
        html = GRAMMAR.draw(tokens, env)
        if self.blocks[index : index + 1] != [html]:
            self.changed.add(index)
            self.blocks[index : index + 1] = [html]
        if closed:
            for label in references.asked - self._known.keys():
                self._waiting[label][index] = tokens

    def _close(self, frontier: int, lines: list[str], references: References) -> None:
        """Let go of the lines before the frontier, but for what they define."""
        defined = {label: entry for label, entry in references.maps[0].items() if entry["map"][0] < frontier}
        self._known |= defined
        for label in defined:
            self._fresh.pop(label, None)
            self._waiting.pop(label, None)
        self._open = "\n".join(lines[frontier:])


def _units(tokens: list[Token]) -> list[Unit]:
    units: list[Unit] = []
    depth = 0
    for token in tokens:
        if depth == 0:
            units.append(Unit(token.map[0], []))
        units[-1].tokens.append(token)
        depth += token.nesting
    return units


def _settled(units: list[Unit], lines: list[str]) -> int:
    """The last block whose beginning is final; those before it are closed. A paragraph below a definition may become its title."""
    at = max((at for at, unit in enumerate(units) if at and _begins_for_good(unit, lines)), default=0)
    if at and units[at].kind == "paragraph_open" and units[at - 1].kind == "definition":
        at -= units[at - 1].tokens[0].map[1] == units[at].start
    return at


def _begins_for_good(unit: Unit, lines: list[str]) -> bool:
    """On a whole line, or after an empty one; a table begins with its second line."""
    last = len(lines) - 1
    if unit.start < last:
        return unit.kind != "table_open" or unit.start < last - 1
    return not lines[last - 1].strip(" \t") and not MAYBE_A_NUMBER.fullmatch(lines[last])
