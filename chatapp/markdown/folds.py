"""What can be folded: <details> blocks that a model writes, and where its thoughts begin."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

THINK = "<think>"
ALL = ["paragraph", "reference", "blockquote", "list"]

OPEN = re.compile(r"<details(?P<open>\s+open)?>\s*(?:<summary>(?P<summary>.*?)</summary>)?\s*$", re.IGNORECASE)
SUMMARY = re.compile(r"<summary>(?P<summary>.*?)</summary>\s*$", re.IGNORECASE)
CLOSE = re.compile(r"</details>\s*$", re.IGNORECASE)


def folds(md: MarkdownIt) -> None:
    """Read and draw folds. A thought takes all that follows: who reads the reply ends it (growing.py)."""
    md.block.ruler.before("table", "thought", _thought, {"alt": ALL})
    md.block.ruler.before("fence", "fold", _fold, {"alt": ALL})


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _thought(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.level or state.is_code_block(start) or not state.env["thoughts"] or not _line(state, start).startswith(THINK):
        return False
    if not silent:
        state.push("thought", "", 0).map = [start, end]
        state.line = end
    return True


def _fold(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    found = None if state.is_code_block(start) else OPEN.match(_line(state, start))
    if found and not silent:
        _push(state, start, end, found)
    return bool(found)


def _push(state: StateBlock, start: int, end: int, found: re.Match[str]) -> None:
    """The blocks up to the closing tag that belongs to this one, or as far as they go."""
    title, first = found["summary"], start + 1
    if title is None and first < end and (below := SUMMARY.match(_line(state, first))):
        title, first = below["summary"], first + 1
    last, after = _closing_line(state, first, end)
    token = state.push("fold_open", "details", 1)
    token.attrs = {"class": "fold", **({"open": ""} if found["open"] else {})}
    state.push("summary_open", "summary", 1)
    inline = state.push("inline", "", 0)
    inline.content, inline.children = title or "Details", []
    state.push("summary_close", "summary", -1)
    kept = state.lineMax, state.parentType
    state.lineMax, state.parentType = last, "fold"
    state.md.block.tokenize(state, first, last)
    state.lineMax, state.parentType = kept
    state.line = after
    token.map = [start, after]
    state.push("fold_close", "details", -1)


def _closing_line(state: StateBlock, first: int, end: int) -> tuple[int, int]:
    """(where the fold's blocks end, the line after it): at its own closing tag, the end of the list it stands in, or the end."""
    depth = 1
    for line in range(first, end):
        if not state.isEmpty(line) and state.sCount[line] < state.blkIndent:
            return line, line
        depth += bool(OPEN.match(_line(state, line))) - bool(CLOSE.match(_line(state, line)))
        if depth == 0:
            return line, line + 1
    return end, end
