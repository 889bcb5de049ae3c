"""The HTML that model cards are full of → Markdown with the same words: pictures and links stay as such, all other tags go."""

import re
from collections.abc import Callable

FENCE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})", re.MULTILINE)
TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]{0,20})(?P<attributes>(?:\s[^<>]{0,2000})?)/?>")
ATTRIBUTE = re.compile(r"""(?P<name>src|href|alt)\s*=\s*(?:"(?P<a>[^"<>]*)"|'(?P<b>[^'<>]*)')""")
UNSAID = re.compile(r"<(?P<name>script|style)\b[^<>]{0,2000}>[^<]{0,100000}</(?P=name)>", re.IGNORECASE)
"""What these tags hold is not for readers."""

HEADING = re.compile(r"h([1-6])")
BREAKS = ("br", "p", "div", "center", "tr", "table", "hr", "section", "figure")
WHOLE = ("details", "summary")
"""Tags that our Markdown knows itself."""


def as_markdown(text: str) -> str:
    """Of a card's text; what stands in fences of code stays as it is. The time grows with the length."""
    return "".join(part if fenced else of_html(part) for fenced, part in parts(text))


def parts(text: str) -> list[tuple[bool, str]]:
    """(is it code, text), in order."""
    found: list[tuple[bool, str]] = []
    at, opened = 0, ""
    for fence in FENCE.finditer(text):
        mark = fence["mark"]
        if not opened:
            found.append((False, text[at : fence.start()]))
            at, opened = fence.start(), mark
        elif mark[0] == opened[0] and len(mark) >= len(opened):
            end = text.find("\n", fence.end())
            end = len(text) if end < 0 else end
            found.append((True, text[at:end]))
            at, opened = end, ""
    return [*found, (bool(opened), text[at:])]


def of_html(text: str) -> str:
    return TAG.sub(replaced, UNSAID.sub("", without_comments(text)))


def without_comments(text: str) -> str:
    """<!-- --> is not shown; one without an end is a text."""
    kept, at = [], 0
    while (begin := text.find("<!--", at)) >= 0 and (end := text.find("-->", begin)) >= 0:
        kept.append(text[at:begin])
        at = end + 3
    return "".join([*kept, text[at:]])


def replaced(tag: re.Match[str]) -> str:
    name, end = tag["name"].lower(), bool(tag["end"])
    if name in WHOLE:
        return tag.group()
    values = {one["name"]: one["a"] or one["b"] or "" for one in ATTRIBUTE.finditer(tag["attributes"])}
    made: Callable[[], str] | None = {"img": lambda: picture(values), "a": lambda: link(values, end)}.get(name)
    if made:
        return made()
    if heading := HEADING.fullmatch(name):
        return "\n\n" if end else f"\n\n{'#' * int(heading[1])} "
    return "\n\n" if name in BREAKS else ""


def picture(values: dict[str, str]) -> str:
    """A picture's words and address; our Markdown loads none."""
    return f"![{values.get('alt', '')}]({values['src']})" if values.get("src", "").startswith("http") else values.get("alt", "")


def link(values: dict[str, str], end: bool) -> str:
    """An address after its words would be lost: it stands before them."""
    return "" if end or not values.get("href", "").startswith("http") else f"{values['href']} "
