r"""LaTeX → MathML, which browsers draw by themselves: no script, no font, no inline style.

math-core calls itself for each brace and each command, on the stack of the thread: a formula that nests too deep would end the process.
Each level takes one of `OPENERS`, at most 1.7 kB of stack on x86-64, so that their number bounds it, as long as no command is expanded.
"""

import re
from functools import lru_cache
from html import escape

from math_core import LatexError, LatexToMathML

LONGEST = 4_000
OPENERS = re.compile(r"\\[A-Za-z]+|[{^_\[]")
MOST_OPENERS = 400

CONVERTER = LatexToMathML(fancy_error=False, max_expansions=0, allow_unreliable_rendering=True)

TAG = re.compile(r"\\tag\*?\{([^{}]*)\}")
SPLIT = re.compile(r"\\(begin|end)\{split\}")
NUMBERED = re.compile(r"\\begin\{(?:equation|align|gather|multline|alignat|flalign|eqnarray)\*?\}")
"""Environments that know \\tag themselves."""

STYLE = re.compile(r' style="([^"]*)"')
CLASSES = {
    "text-align: left": "left",
    "text-align: right": "right",
    **{f"border-{side}: 0.05em solid currentcolor": f"line-{side}" for side in ("left", "right", "top", "bottom")},
}


@lru_cache(maxsize=1024)
def mathml(tex: str, display: bool) -> str | None:
    """A <math> element, or None for what is no formula, or none that can be drawn."""
    if len(tex) > LONGEST or len(OPENERS.findall(tex)) > MOST_OPENERS or not tex.strip():
        return None
    try:
        drawn = CONVERTER.convert_with_local_state(_usual(tex), displaystyle=display)
    except LatexError:
        return None
    return STYLE.sub(_as_classes, drawn).replace("<math", f'<math alttext="{escape(tex.strip())}"', 1)


def _usual(tex: str) -> str:
    """What models write and math-core does not know, in its words."""
    tex = SPLIT.sub(r"\\\1{aligned}", tex)
    return tex if NUMBERED.search(tex) else TAG.sub(r"\\qquad\\text{(\1)}", tex)


def _as_classes(style: re.Match[str]) -> str:
    parts = [part.strip() for part in style[1].split(";")]
    classes = " ".join(CLASSES[part] for part in parts if part in CLASSES)
    colours = [part.removeprefix("color:").strip() for part in parts if part.startswith("color:")]
    return (f' class="{classes}"' if classes else "") + "".join(f' mathcolor="{colour}"' for colour in colours)
