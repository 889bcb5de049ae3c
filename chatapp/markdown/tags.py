"""Tags in a model's words: the few that it formats with are obeyed where they come in pairs, all others are shown as typed."""

import re
from collections.abc import Iterable

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

TAG = re.compile(r"<(?P<close>/?)(?P<name>b|i|u|s|em|strong|sub|sup|kbd|mark)>|<br\s*/?>", re.IGNORECASE)


def tags(md: MarkdownIt) -> None:
    """Read tags without attributes; `paired` decides which are obeyed."""
    md.inline.ruler.before("autolink", "tag", _tag)


def _tag(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "<" or not (found := TAG.match(state.src, state.pos, state.posMax)):
        return False
    if not silent and not found["name"]:
        state.push("hardbreak", "br", 0)
    elif not silent:
        token = state.push("tag", found["name"].lower(), 0)
        token.content, token.meta["close"] = found.group(), bool(found["close"])
    state.pos = found.end()
    return True


def paired(tokens: Iterable[Token]) -> list[Token]:
    """The same tokens; tags that open and close within the same emphasis or link do so, the others are text. Says what is in a link."""
    done, opened = list(tokens), []
    linked = 0
    for token in done:
        linked += token.nesting if token.tag == "a" else 0
        if token.type == "image":
            token.meta["linked"] = linked > 0
        elif token.nesting == 1 or (token.type == "tag" and not token.meta["close"]):
            opened.append(token)
        elif token.nesting == -1:
            while opened.pop().nesting != 1:
                pass
        elif token.type == "tag" and (partner := _partner(opened, token.tag)) is not None:
            opened[partner].nesting, token.nesting = 1, -1
            del opened[partner:]
    for token in done:
        if token.type == "tag":
            token.type = "text" if token.nesting == 0 else f"tag_{'open' if token.nesting == 1 else 'close'}"
    return done


def _partner(opened: list[Token], name: str) -> int | None:
    """The nearest tag of that name that is open since the innermost emphasis or link began."""
    for at in range(len(opened) - 1, -1, -1):
        if opened[at].nesting == 1:
            return None
        if opened[at].tag == name:
            return at
    return None
