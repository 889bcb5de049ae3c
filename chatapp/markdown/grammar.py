"""The Markdown that models write: CommonMark with tables, strikethrough, tasks, footnotes, formulas, folds and bare addresses.

Everything that could take more than linear time, or make much out of little, has a limit; what goes beyond it is shown as typed.
"""

import re
import unicodedata
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, blockquote, list_block, reference, table
from markdown_it.token import Token

from chatapp.markdown.code import code
from chatapp.markdown.folds import folds
from chatapp.markdown.formulas import formulas
from chatapp.markdown.links import allowed, links
from chatapp.markdown.notes import notes
from chatapp.markdown.safe import clean
from chatapp.markdown.tags import paired, tags

Rule = Callable[[StateBlock, int, int, bool], bool]

DEEPEST = 20
"""Levels of blocks: ten lists in each other. Inside a paragraph a few more are read: markdown-it's time grows with its limit."""

MOST_NESTED = 2_000
"""Quotes and lists inside one block of the top level: a line of twenty signs opens twenty."""

LONGEST_PARAGRAPH = 10_000
MOST_COLUMNS = 40
MOST_CELLS = 5_000
"""A row of three characters makes as many cells as the table has columns."""

CONTAINERS = {"ul", "ol", "li", "blockquote", "table", "div", "details"}
LEAVES = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "th", "td", "summary"}
TASKS = {True: ("☑", "done"), False: ("☐", "to do")}


class Grammar(MarkdownIt):
    """markdown-it with our rules. One of it serves all threads: what a text needs is in the parser's states and in `env`."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "breaks": True, "tasklists": True, "maxNesting": DEEPEST + 4})
        self.enable(["table", "strikethrough"])
        for plugin in (limits, code, folds, formulas, links, tags, notes):
            self.use(plugin)

    def validateLink(self, url: str) -> bool:
        return allowed(url)

    def read(self, text: str, env: MutableMapping[str, Any]) -> list[Token]:
        """The blocks, without the words in them."""
        tokens: list[Token] = []
        self.block.parse(text, self, env, tokens)
        return tokens

    def draw(self, tokens: Sequence[Token], env: MutableMapping[str, Any]) -> str:
        """Blocks that were read → safe HTML."""
        for token in tokens:
            if token.type == "inline":
                token.children = self.words(token.content, env)
        _direct(tokens)
        return clean(self.renderer.render(tokens, self.options, env)).strip()

    def words(self, text: str, env: MutableMapping[str, Any]) -> list[Token]:
        if len(text) > LONGEST_PARAGRAPH:
            return [Token("text", "", 0, content=text)]
        tokens: list[Token] = []
        self.inline.parse(text, self, env, tokens)
        return paired(tokens)


def limits(md: MarkdownIt) -> None:
    """Our limits around markdown-it's rules, and how their tokens are drawn."""
    inner = ["paragraph", "reference", "blockquote"]
    md.block.ruler.at("blockquote", _not_too_deep(blockquote), {"alt": [*inner, "list"]})
    md.block.ruler.at("list", _not_too_deep(list_block), {"alt": inner})
    md.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    md.block.ruler.at("reference", _reference)
    for name, draw in (
        ("list_item_open", _item),
        ("table_open", _table_open),
        ("table_close", _table_close),
        ("th_open", _cell),
        ("td_open", _cell),
        ("text_special", _special),
    ):
        md.add_render_rule(name, draw)


def _not_too_deep(rule: Rule) -> Rule:
    def limited(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        opened = state.env.get("nested", 0) if state.level else 0
        if state.level >= DEEPEST or opened >= MOST_NESTED:
            return False
        if silent:
            return rule(state, start, end, silent)
        state.env["nested"] = opened + 1
        if not (found := rule(state, start, end, silent)):
            state.env["nested"] = opened
        return found

    return limited


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if start + 1 >= end:
        return False
    columns = state.src.count("|", state.bMarks[start + 1], state.eMarks[start + 1]) + 1
    return columns <= MOST_COLUMNS and table(state, start, min(end, start + 2 + MOST_CELLS // columns), silent)


def _reference(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A link's definition draws nothing, but it has its place: the lines below may go on with it."""
    if not reference(state, start, end, silent):
        return False
    token = state.push("definition", "", 0)
    token.map, token.hidden = [start, state.line], True
    return True


def _direct(tokens: Sequence[Token]) -> None:
    """Right-to-left text. dir=auto looks at an element's own words only, so what holds other blocks is told what the first word is."""
    for at, token in enumerate(tokens):
        if token.nesting == 1 and token.tag in CONTAINERS:
            token.attrs["dir"] = "rtl" if _begins_right(tokens, at) else "auto"
        elif token.nesting == 1 and token.tag in LEAVES:
            token.attrs["dir"] = "auto"


def _begins_right(tokens: Sequence[Token], at: int) -> bool:
    depth = 0
    for index in range(at, len(tokens)):
        depth += tokens[index].nesting
        if tokens[index].type == "inline":
            for sign in tokens[index].content:
                if (kind := unicodedata.bidirectional(sign)) in ("L", "R", "AL"):
                    return kind != "L"
        if depth == 0:
            break
    return False


def _item(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: object) -> str:
    if "checked" not in tokens[at].meta:
        return self.renderToken(tokens, at, options, env)
    tokens[at].attrs["class"] = "task"
    sign, words = TASKS[tokens[at].meta["checked"]]
    return f'{self.renderToken(tokens, at, options, env)}<span class="box" role="img" aria-label="{words}">{sign}</span> '


def _table_open(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: object) -> str:
    return f'<div class="table" tabindex="0">{self.renderToken(tokens, at, options, env)}'


def _table_close(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: object) -> str:
    return f"{self.renderToken(tokens, at, options, env).rstrip()}</div>\n"


def _cell(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: object) -> str:
    if found := re.fullmatch(r"text-align:(\w+)", str(tokens[at].attrs.pop("style", ""))):
        tokens[at].attrs["class"] = found[1]
    return self.renderToken(tokens, at, options, env)


def _special(self: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: object) -> str:
    return self.rules["text"](tokens, at, options, env)


GRAMMAR = Grammar()
