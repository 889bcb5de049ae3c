"""No reply reaches the page with anything that runs, loads, covers or pretends, and none takes time without measure."""

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatapp.markdown import Growing, blocks
from chatapp.markdown.code import LANGUAGES, PIECE, coloured, pieces
from chatapp.markdown.safe import MATH, clean
from chatapp.markdown.tex import LONGEST, MOST_OPENERS, mathml
from tests.attacks import ATTACKS, KNOWN

TAGS = set(
    re.findall(r"[a-z0-9]+", "a b blockquote br code details div em h1 h2 h3 h4 h5 h6 hr i kbd li mark ol p pre s span strong sub summary")
)
TAGS |= {"sup", "table", "tbody", "td", "th", "thead", "tr", "u", "ul"} | MATH
ATTRIBUTES = {"href", "title", "class", "dir", "start", "open", "tabindex", "target", "rel", "role", "aria-label"}
OF_MATH = {"alttext", "display", "mathcolor", "mathvariant", "notation", "accent", "accentunder", "displaystyle", "scriptlevel"}
OF_MATH |= {"form", "fence", "stretchy", "symmetric", "separator", "largeop", "movablelimits", "lspace", "rspace", "minsize", "maxsize"}
OF_MATH |= {"width", "height", "depth", "linethickness"}
PAGE = {"toast", "message", "send", "menu", "meter", "question", "facts", "note failed"}


class Seen(HTMLParser):
    """All tags and attributes of a text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def harmless(html: str) -> None:
    seen = Seen(html)
    assert seen.open == [] and set(seen.tags) <= TAGS
    for tag, name, value in seen.attributes:
        assert name in (OF_MATH | {"class"} if tag in MATH else ATTRIBUTES), (tag, name)
        assert name != "href" or re.match(r"https?://[^/]|mailto:", value, re.IGNORECASE), value
        assert name != "class" or value not in PAGE
        assert name not in ("width", "height", "depth", "lspace", "minsize") or len(value.split(".")[0].strip("-empxtu%")) <= 2, value


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_of_an_attack_is_left(name: str) -> None:
    for html in blocks(ATTACKS[name]):
        harmless(html)
        assert clean(html).strip() == html


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_of_an_attack_is_left_while_it_is_written(name: str) -> None:
    growing = Growing(thinking=True)
    for sign in ATTACKS[name] + "</think>" + ATTACKS[name]:
        for _, html in growing.grow(sign):
            harmless(html)


def test_there_are_at_least_as_many_new_attacks_as_known_ones() -> None:
    assert len(KNOWN) == 27 and len(ATTACKS) >= 2 * len(KNOWN)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from([*ATTACKS.values(), "\n", "\n\n", "- ", "> ", "`", "```\n", "| ", "$", r"\[", "*", "[", "](", "<think>"]),
        max_size=5,
    )
)
def test_attacks_in_each_other(parts: list[str]) -> None:
    for html in blocks("".join(parts)):
        harmless(html)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_harmless(text: str) -> None:
    for html in blocks(text):
        harmless(html)


@settings(deadline=None)
@given(st.text(st.sampled_from("<>/\"'=& \n!-[]()abimgsvthxlinkoerw:`"), max_size=60))
def test_the_list_holds_even_without_our_grammar(html: str) -> None:
    harmless(clean(html))


@pytest.mark.parametrize(
    "html",
    [
        "<p>a<form><input><button>b</button></form>",
        "<svg><a xlink:href='javascript:x'>b</a></svg><math><mi xlink:href='javascript:x'>a</mi></math>",
        "<p id=message class='toast code' style='position:fixed' onclick=x data-x=1 contenteditable>x</p>",
        "<a href='#message'>x</a><a href='//evil.example'>y</a><a href=' java\nscript:x'>z</a>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x&gt;'>",
        "<math><annotation-xml encoding='text/html'><p>x</p></annotation-xml><mspace width='-99999em' style='x'/></math>",
    ],
)
def test_the_list_alone_makes_html_harmless(html: str) -> None:
    harmless(clean(html))
    assert "evil" not in clean(html)


def many(sign: str, n: int = 100_000) -> str:
    return (sign * (n // len(sign) + 1))[:n]


BOMBS = [
    "[",
    "![",
    "[a](",
    "[a][",
    "[^1]",
    ">",
    "> ",
    "> - ",
    "`",
    "*",
    "**a *b ",
    "_a__",
    "~~",
    "<",
    "<b>",
    "</b>",
    "<a ",
    "&",
    "\\",
    "- ",
    "1. ",
]
BOMBS += [
    "|",
    "|a",
    "a|b\n",
    "[a]: b\n",
    "[a\n",
    "[^1]: a\n",
    "a\n",
    "> a\n",
    "- a\n",
    "- a\n\n",
    "    a\n",
    "$",
    "$a ",
    "\\(",
    "\\[\n",
    "$$\n",
]
BOMBS += [
    "<details>\n",
    "<details>\nx\n</details>\n",
    "<think>",
    "<think></think>",
    "http://a",
    "http://a)",
    "```\n",
    "# ",
    "(",
    ")",
    "a\\\n",
    "\t",
    "]",
]


@pytest.mark.parametrize("sign", BOMBS)
def test_much_of_the_same_grows_no_faster_than_its_length(sign: str) -> None:
    """By instructions of the interpreter, not by the clock: ten times the text may take at most some twenty times as many."""
    few, lots = (instructions(many(sign, n)) for n in (3_000, 30_000))
    assert lots < 20 * few + 100_000


def instructions(text: str) -> int:
    """Lines of Python run."""
    count = 0

    def trace(frame: object, event: str, arg: object):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        blocks(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("sign", BOMBS)
def test_much_of_the_same_makes_no_mountain_of_html(sign: str) -> None:
    text = many(sign)
    made = blocks(text)
    assert sum(map(len, made)) < 60 * len(text)
    for html in made[:3]:
        harmless(html)


def test_a_table_of_few_signs_has_few_cells() -> None:
    text = "|a" * 39 + "\n" + "|-" * 39 + "\n" + "|a\n" * 30_000
    assert 4_000 < sum(html.count("<td") for html in blocks(text)) <= 5_000
    assert "<table" not in blocks("|a" * 41 + "\n" + "|-" * 41 + "\n")[0]


def test_blocks_in_each_other_end_where_they_are_too_deep_and_no_word_is_lost() -> None:
    made = blocks("> " * 500 + "the end")[0]
    assert made.count("<blockquote") == 20 and "the end" in made
    deep = "".join("  " * n + f"- word{n}\n" for n in range(100))
    assert all(f"word{n}" in blocks(deep)[0] for n in range(100)) and blocks(deep)[0].count("<ul") == 10


def test_quotes_that_begin_again_and_again_are_at_last_shown_as_typed_and_no_word_is_lost() -> None:
    text = "".join(f"{'>' * 20}word{n}.\n>\n" for n in range(500)) + "\n> another"
    first, other = blocks(text)
    assert first.count("<blockquote") == 2_000 and all(f"word{n}." in first for n in range(500))
    assert other.count("<blockquote") == 1, "each block of the top level begins anew"
    growing, shown = Growing(), {}
    for at in range(0, len(text), 1_000):
        shown |= dict(growing.grow(text[at : at + 1_000]))
    assert [html for _, html in sorted(shown.items()) if html] == [first, other]


def test_a_paragraph_beyond_measure_is_shown_as_typed() -> None:
    assert blocks("*a* " * 3_000)[0] == '<p dir="auto">' + ("*a* " * 3_000).strip() + "</p>"


@pytest.mark.parametrize(
    "sign", [r"\sqrt{", "{", r"\frac", r"\hat", r"\textcolor{red}{", r"\begin{matrix}", r"\left(", "x^{", r"\mathbf{", r"\sin", r"\boxed{"]
)
def test_a_formula_that_nests_without_end_does_not_end_the_process(sign: str) -> None:
    """In a process of its own: the stack that would overflow is the process's, here one of half a megabyte more than is needed."""
    program = (
        "import sys, threading; from chatapp.markdown.tex import mathml; threading.stack_size(1 << 20)\n"
        "def draw():\n    for n in (10, 100, 200, 390, 401, 3000, 100000): mathml(sys.argv[1] * n + 'x' + '}' * n, True)\n"
        "thread = threading.Thread(target=draw); thread.start(); thread.join(); print('alive')"
    )
    done = subprocess.run([sys.executable, "-c", program, sign], stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == "alive\n"


def test_formulas_have_limits() -> None:
    assert mathml("x" * LONGEST, True) and mathml("x" * (LONGEST + 1), True) is None
    assert mathml("{x}" * MOST_OPENERS, True) and mathml("{x}" * (MOST_OPENERS + 1), True) is None
    assert mathml(r"\def\a{x}\a", True) is None


TEX = [*"\\{}^_&$#%[]()|~ \nab1=+-<>'\"", r"\frac", r"\begin{", r"\end{", r"\left", r"\right", r"\text{", "matrix}", "日", "א"]


@settings(deadline=None)
@given(st.lists(st.sampled_from(TEX), max_size=60).map("".join), st.booleans())
def test_any_formula_is_drawn_or_refused(tex: str, display: bool) -> None:
    harmless(clean(mathml(tex, display) or ""))


def test_code_is_coloured_in_pieces_that_stay_as_they_are() -> None:
    text = "".join(f"def f{n}(x):\n    return '''{n}'''\n\n\n" for n in range(400))
    assert "".join(pieces(text)) == text
    assert all(len(piece) <= PIECE for piece in pieces(text))
    before = list(pieces(text[:9_000]))[:-1]
    assert list(pieces(text[:12_000]))[: len(before)] == before
    assert re.sub("<[^>]*>", "", coloured("python", text[:9_000])).replace("&#39;", "'") == text[:9_000]


def test_code_that_is_too_long_or_in_a_strange_language_is_plain() -> None:
    assert coloured("python", "x = 1\n" * 4_000) == "x = 1\n" * 4_000
    assert coloured("autohotkey", "x = 1") == "x = 1"
    assert coloured("", "<b>") == "&lt;b&gt;"


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_pygments_knows_every_language_and_keeps_every_sign(language: str) -> None:
    text = "\n\n a = 'b' # <c> & \"d\"\r\n\t{x}\n\n"
    plain = re.sub("<[^>]*>", "", coloured(language, text))
    assert plain.replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'").replace("&quot;", '"').replace(
        "&amp;", "&"
    ) == text.replace("\r\n", "\n")
