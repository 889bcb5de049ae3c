"""Footnotes: [^1] in the text, and `[^1]: …` as a block that stands where it was written, for a reply is read from top to bottom.

There are no anchors: ids of a reply's own could pass for those of the page.
"""

import re
from collections.abc import Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

REFERENCE = re.compile(r"\[\^([^\s\[\]^]{1,60})\]")
DEFINITION = re.compile(REFERENCE.pattern + r":")
INDENT = 4


def notes(md: MarkdownIt) -> None:
    """Read and draw footnotes."""
    md.block.ruler.before("reference", "note", _definition, {"alt": ["paragraph", "reference"]})
    md.inline.ruler.before("link", "note", _reference)
    md.add_render_rule("note_open", _draw_open)
    md.add_render_rule("note_reference", _draw_reference)


def key(label: str) -> str:
    """A note among the link references: no link has a label with a line break."""
    return "\n" + normalizeReference(label)


def _definition(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    at = state.bMarks[start] + state.tShift[start]
    found = DEFINITION.match(state.src, at, state.eMarks[start])
    outside = state.level == 0 or (silent and state.sCount[start] < state.blkIndent)
    if not found or not outside or state.is_code_block(start):
        return False
    if not silent:
        _push(state, start, end, found)
    return True


def _push(state: StateBlock, start: int, end: int, found: re.Match[str]) -> None:
    """The note's blocks: the rest of its line, and the lines below that are indented."""
    state.env["references"].setdefault(key(found[1]), {"href": "", "title": "", "map": [start, start]})
    token = state.push("note_open", "div", 1)
    token.attrs["class"], token.info = "note", found[1]
    kept = state.bMarks[start], state.tShift[start], state.sCount[start], state.parentType
    rest = state.src[found.end() : state.eMarks[start]]
    state.bMarks[start], state.tShift[start] = found.end(), len(rest) - len(rest.lstrip(" \t"))
    state.blkIndent += INDENT
    state.sCount[start], state.parentType = state.blkIndent, "note"
    state.md.block.tokenize(state, start, end)
    state.blkIndent -= INDENT
    state.bMarks[start], state.tShift[start], state.sCount[start], state.parentType = kept
    state.line = max(state.line, start + 1)
    token.map = [start, state.line]
    state.push("note_close", "div", -1)


def _reference(state: StateInline, silent: bool) -> bool:
    """Only of a note that is there: [^abc] is also what programmers call 'none of a, b and c'."""
    found = state.src.startswith("[^", state.pos) and REFERENCE.match(state.src, state.pos, state.posMax)
    if not found or key(found[1]) not in state.env["references"]:
        return False
    if not silent:
        state.push("note_reference", "sup", 0).content = found[1]
    state.pos = found.end()
    return True


def _draw_open(self: RendererHTML, tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    return f'{self.renderToken(tokens, at, options, env)}<span class="label">{escape(tokens[at].info)}</span>\n'


def _draw_reference(self: RendererHTML, tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    return f'<sup class="note">{escape(tokens[at].content)}</sup>'
