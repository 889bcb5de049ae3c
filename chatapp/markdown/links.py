"""Links: http, https and mailto only; bare addresses too. Images are never loaded: each is a link with its words and its address."""

import re
from collections.abc import Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

ALLOWED = re.compile(r"https?://[^/\s]|mailto:.", re.IGNORECASE)

SCHEME = re.compile(r"(?<![A-Za-z0-9])https?$", re.IGNORECASE)
BARE = re.compile(r"://[A-Za-z0-9\[][^\s<>\"`\u3000-\u303f\uff00-\uffef\[\]]*")
ENDS = "?!.,:;*_~'\""
"""Signs that end a sentence, or Markdown, and not the address before them."""


WHY = "Not loaded: whoever keeps the image would learn that you read this"


def allowed(address: str) -> bool:
    """May a reply link there?"""
    return bool(ALLOWED.match(address))


def links(md: MarkdownIt) -> None:
    """Find bare addresses; draw images as links. `Grammar.validateLink` refuses the others."""
    md.inline.ruler.before("linkify", "bare_address", _bare)
    md.add_render_rule("image", _image)


def _bare(state: StateInline, silent: bool) -> bool:
    """At the colon of https://…, as the word before it is still pending."""
    at = state.pos
    scheme = state.src[at] == ":" and SCHEME.search(state.src, max(0, at - 6), at)
    if not scheme or state.linkLevel or not (found := BARE.match(state.src, at, state.posMax)):
        return False
    end = _without_the_sentence(state.src, at, found.end())
    address = state.md.normalizeLink(state.src[scheme.start() : end])
    if end <= at + 3 or not state.md.validateLink(address):
        return False
    if not silent:
        if not state.pending.endswith(scheme.group()):
            return False
        state.pending = state.pending[: -len(scheme.group())]
        state.push("link_open", "a", 1).attrSet("href", address)
        state.push("text", "", 0).content = state.src[scheme.start() : end]
        state.push("link_close", "a", -1)
    state.pos = end
    return True


def _without_the_sentence(text: str, start: int, end: int) -> int:
    """Where an address ends that may be followed by a full stop or stand in (brackets)."""
    while text[end - 1] in ENDS or (text[end - 1] == ")" and text.count(")", start, end) > text.count("(", start, end)):
        end -= 1
    return end


def _image(self: RendererHTML, tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    """Inside a link only the words, for links do not nest."""
    token = tokens[at]
    address = str(token.attrs["src"])
    words = self.renderInlineAsText(token.children, options, env).strip()
    shown = f'{escape(words)} <span class="address">{escape(address)}</span>' if words else escape(address)
    return shown if token.meta.get("linked") else f'<a class="image" href="{escape(address)}" title="{WHY}">{shown}</a>'
