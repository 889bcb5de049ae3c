"""Code blocks: the language's name, a place for a copy button, and colours as classes.

Pygments takes quadratic time for some texts, so code is coloured in pieces, and only languages whose time was measured are. While code
is written all pieces but the last stay as they are.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

LANGUAGES = frozenset(
    re.findall(
        r"\S+",
        """
    ada asm awk bash bat c c# c++ cl clj clojure cmake cobol common-lisp console cpp crystal cs csharp css cuda d dart diff django
    docker dockerfile elixir erlang ex exs f# fortran fsharp gdscript glsl go golang graphql groovy haskell hcl hlsl hs html html+jinja
    http ini java javascript jinja jl js json json5 jsonc jsonl jsx julia kotlin kt latex less lisp llvm lua make makefile markdown
    mathematica matlab md mysql nasm nginx nim nix objc objective-c ocaml pascal perl php pl postgres postgresql powershell prolog
    properties proto protobuf ps1 pwsh py pycon python python3 r racket rb rs ruby rust scala scheme scss sed sh shell shell-session
    solidity sql svg swift tcl terraform tex tf toml ts tsx typescript vb.net vbnet verilog vhdl vim vue wl xml yaml yml zig zsh
    """,
    )
)
NAMES_OF_PYGMENTS = {"kt": "kotlin", "jsonc": "json", "jsonl": "json", "svg": "xml", "wl": "mathematica", "yml": "yaml", "zsh": "bash"}
"""What models call a language and Pygments does not."""

LONGEST = 20_000
PIECE = 1_500
WORD = re.compile(r"[^\s{,:]{1,30}")
FORMATTER = HtmlFormatter(nowrap=True)


def code(md: MarkdownIt) -> None:
    """Draw fenced and indented code."""
    md.add_render_rule("fence", _block)
    md.add_render_rule("code_block", _block)


def _block(self: RendererHTML, tokens: Sequence[Token], at: int, options: object, env: object) -> str:
    found = WORD.match(tokens[at].info.strip())
    language = found.group() if found else ""
    kind = "code mermaid" if language.lower() == "mermaid" else "code"
    shown = coloured(language.lower(), tokens[at].content)
    head = f'<div class="code-head"><span>{escape(language)}</span></div>'
    return f'<div class="{kind}">{head}<pre tabindex="0"><code>{shown}</code></pre></div>\n'


def coloured(language: str, text: str) -> str:
    """Code as HTML: spans with Pygments' classes, or plain when the language is unknown or the code long."""
    if language not in LANGUAGES or len(text) > LONGEST:
        return escape(text, quote=False)
    return "".join(_piece(language, piece) for piece in pieces(text))


def pieces(text: str) -> Iterator[str]:
    """Cut where nothing is likely to go on: before a line that begins at the margin after an empty one, else at the end of a line."""
    at = 0
    while len(text) - at > PIECE:
        half, end = at + PIECE // 2, at + PIECE
        margins = [found.end() for found in re.compile(r"\n\n(?=\S)").finditer(text, half, end)]
        cut = margins[-1] if margins else text.rfind("\n", half, end) + 1 or end
        yield text[at:cut]
        at = cut
    yield text[at:]


@lru_cache(maxsize=512)
def _piece(language: str, text: str) -> str:
    lexer = get_lexer_by_name(NAMES_OF_PYGMENTS.get(language, language), stripnl=False, ensurenl=False)
    shown = highlight(text, lexer, FORMATTER)
    return shown if text.endswith("\n") else shown.removesuffix("\n")
