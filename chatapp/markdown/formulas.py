r"""Formulas in Markdown: \( \), \[ \], $$ $$ and, by a rule that spares prices, $ $. What cannot be drawn is shown as typed.

A display formula that begins its line is a block: no line in it is taken for a list or a heading. It ends with its mark, or at an empty
line. Never in code: there no rule of this file is asked.
"""

import re
from collections.abc import Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from chatapp.markdown.tex import mathml

CLOSERS = {r"\(": r"\)", r"\[": r"\]", "$$": "$$"}

DOLLARS = re.compile(r"\$(?=[^\s$])((?:\\.|[^\\$`])+)(?<!\s)\$(?![0-9$])(?!(?!(?:th|st|nd|rd|s)\b)[A-Za-z])", re.DOTALL)
"""No space inside the dollars, no digit after them, nor letters but those of the $n$th."""

BEFORE_DOLLARS = re.compile(r"[0-9A-Za-z$]")
PRICE = re.compile(r"\d[\d.,]*\s[^\\^_={}]*[A-Za-z]{2}")
"""'5 and you get 10': words between two prices."""

OPENS_A_LINE = re.compile(r"\\\[|\$\$(?=\s*$|[^$]*[\\^_=][^$]*$|.*\$\$[.,;:]?\s*$)")
r"""\[ always; $$ alone, with LaTeX after it, or closed at the end of the line: a $$ in prose is none."""

ENDS_A_SENTENCE = " \t.,;:"


def formulas(md: MarkdownIt) -> None:
    """Read and draw formulas."""
    md.inline.ruler.before("escape", "formula", _inline)
    md.block.ruler.before("fence", "formula", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]})
    md.add_render_rule("formula_inline", _draw_inline)
    md.add_render_rule("formula", _draw)


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "\\$" or not (found := _at(state.src, state.pos, state.posMax)):
        return False
    opener, tex, end = found
    if not silent:
        token = state.push("formula_inline", "math", 0)
        token.markup, token.content = opener, tex
    state.pos = end
    return True


def _at(text: str, at: int, end: int) -> tuple[str, str, int] | None:
    """(opening mark, formula, where it ends) of a formula that begins here."""
    opener = text[at : at + 2]
    if closer := CLOSERS.get(opener):
        close = text.find(closer, at + 2, end)
        tex = text[at + 2 : close]
        return (opener, tex, close + 2) if close > 0 and tex.strip() and "`" not in tex else None
    if not opener.startswith("$") or (at and BEFORE_DOLLARS.match(text[at - 1])):
        return None
    found = DOLLARS.match(text, at, end)
    return ("$", found[1], found.end()) if found and not PRICE.match(found[1]) else None


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    if not OPENS_A_LINE.match(first):
        return False
    opener = first[:2]
    _, closed, after = first[2:].partition(CLOSERS[opener])
    if closed and after.strip(ENDS_A_SENTENCE):
        return False
    if not silent:
        _push(state, start, end, opener)
    return True


def _push(state: StateBlock, start: int, end: int, opener: str) -> None:
    """The formula's lines up to its mark; what follows the mark on its line is a paragraph below."""
    text, closed, after = "", "", ""
    line = start
    while line < end and not closed and not state.isEmpty(line) and (line == start or state.sCount[line] >= state.blkIndent):
        row = state.getLines(line, line + 1, state.blkIndent, False)
        row, closed, after = (row.lstrip()[2:] if line == start else row).partition(CLOSERS[opener])
        text += row if closed else row + "\n"
        line += 1
    state.line = line
    outer = state.push("formula_open", "div", 1)
    outer.attrSet("class", "formula")
    outer.map = [start, line]
    token = state.push("formula", "math", 0)
    token.markup, token.meta["closed"] = opener, bool(closed)
    token.content = text if after.strip(ENDS_A_SENTENCE) else text + after.strip()
    if after.strip(ENDS_A_SENTENCE):
        state.push("paragraph_open", "p", 1)
        inline = state.push("inline", "", 0)
        inline.content, inline.children = after.strip(), []
        state.push("paragraph_close", "p", -1)
    state.push("formula_close", "div", -1)


def _draw_inline(self: RendererHTML, tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    opener, tex = tokens[at].markup, tokens[at].content
    closer = CLOSERS.get(opener, "$")
    return mathml(tex, display=opener in (r"\[", "$$")) or _typed(opener + tex + closer)


def _draw(self: RendererHTML, tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    token = tokens[at]
    closer = CLOSERS[token.markup] if token.meta["closed"] else ""
    return (mathml(token.content, display=True) if closer else None) or _typed((token.markup + token.content + closer).rstrip())


def _typed(text: str) -> str:
    return f'<code class="formula">{escape(text, quote=False)}</code>'
