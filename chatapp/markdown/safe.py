"""The last line of defence: only what Markdown draws is let through, whatever went wrong before.

Nothing loads, runs, covers the page or passes for a part of it: no images, styles, ids, forms or handlers, and no class of the page's own.
"""

import re

import nh3
from pygments.token import STANDARD_TYPES

TEXT = frozenset(re.findall(r"\S+", "p br hr b i u s em strong sub sup kbd mark a code pre blockquote ul ol li div span details summary"))
HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
TABLE = frozenset(re.findall(r"\S+", "table thead tbody tr th td"))
MATH = frozenset(
    re.findall(
        r"\S+",
        "math mi mn mo mtext mspace mrow mfrac msqrt mroot mstyle merror mpadded mphantom menclose"
        " msub msup msubsup munder mover munderover mmultiscripts mprescripts mtable mtr mtd",
    )
)
DIRECTED = TEXT | HEADINGS | TABLE - {"br", "hr"}
"""Tags that say in which direction they are read."""

LENGTH = re.compile(r"(?:\d?\d(?:\.\d+)?|-?0?\.\d+)(?:em|ex|pt|px|mu|%)?")
"""A formula's spaces: under a hundred of the unit, so that none pushes the page away, and hardly any that draws one thing over another."""

VALUES = {
    **{tag: {"dir": {"auto", "rtl"}} for tag in DIRECTED},
    "pre": {"dir": {"auto", "rtl"}, "tabindex": {"0"}},
    "div": {"dir": {"auto", "rtl"}, "tabindex": {"0"}},
    "details": {"dir": {"auto", "rtl"}, "open": {""}},
    "span": {"role": {"img"}, "aria-label": {"done", "to do"}},
    "math": {"display": {"block", "inline"}},
    "menclose": {"notation": {"box", "updiagonalstrike", "downdiagonalstrike", "horizontalstrike"}},
    **{tag: {"displaystyle": {"true", "false"}} for tag in ("mstyle", "mtable", "mfrac", "mrow")},
    "mi": {"mathvariant": {"normal"}},
}
NUMBERS = {"start", "scriptlevel"}
LENGTHS = {"lspace", "rspace", "minsize", "maxsize", "width", "height", "depth", "linethickness"}
FREE = {
    "a": {"href", "title"},
    "ol": {"start"},
    "math": {"alttext"},
    "mo": {"form", "fence", "stretchy", "symmetric", "separator", "largeop", "movablelimits", "lspace", "rspace", "minsize", "maxsize"},
    "mspace": {"width", "height", "depth"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "munderover": {"accent", "accentunder"},
    **{tag: {"scriptlevel"} for tag in ("mstyle", "mtable", "mrow")},
}
COLOURED = {tag: {"mathcolor"} for tag in MATH}
ALIGNED = {"left", "center", "right"}
CLASSES = {
    "div": {"code", "code-head", "mermaid", "table", "formula", "note"},
    "span": {"address", "box", "label", *(name for name in STANDARD_TYPES.values() if name)},
    "sup": {"note"},
    "a": {"image"},
    "code": {"formula"},
    "details": {"reasoning", "fold"},
    "li": {"task"},
    "th": ALIGNED,
    "td": ALIGNED,
    "mtd": {*ALIGNED, "line-left", "line-right", "line-top", "line-bottom"},
}


def _kept(tag: str, name: str, value: str) -> str | None:
    if name in NUMBERS:
        return value if re.fullmatch(r"-?\d{1,9}", value) else None
    if name in LENGTHS:
        return value if LENGTH.fullmatch(value) else None
    if name == "mathcolor":
        return value if re.fullmatch(r"#[0-9a-fA-F]{6}", value) else None
    return value


CLEANER = nh3.Cleaner(
    tags=set(TEXT | HEADINGS | TABLE | MATH),
    clean_content_tags={"script", "style", "iframe", "object", "template", "noscript", "svg"},
    attributes={tag: FREE.get(tag, set()) | COLOURED.get(tag, set()) for tag in {*FREE, *COLOURED}},
    tag_attribute_values=VALUES,
    allowed_classes=CLASSES,
    attribute_filter=_kept,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
    set_tag_attribute_values={"a": {"target": "_blank"}},
)


def clean(html: str) -> str:
    """This HTML without anything that is not on the list."""
    return CLEANER.clean(html)
