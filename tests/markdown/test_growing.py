"""However a reply is cut into pieces, the same blocks come out, and none is sent, or read, twice without need."""

import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatapp.markdown import Growing, blocks

PIECES = [
    *("a", "b ", "日", "א", "\n", "\n", "\n\n", "\n\n", " ", "  ", "    ", "\t", "\r\n", "\r", "\0"),
    *("- ", "-", "* ", "*", "**", "_", "+ ", "1. ", "2", "2. ", "10) ", "> ", ">", "# ", "##", "===", "---", "--", "***", "~~"),
    *("```", "```py\n", "~~~", "`", "``", "|", "| a ", "|-|", "--|--", "a|b", "[ ] ", "[x] ", "[a]", "[b][a]", "![a]", "[", "]", "(", ")"),
    *(
        "[a]: https://x.org",
        "[a]:",
        "[b]: https://y.org",
        " 'tit",
        "le'",
        ' "t"',
        "(https://z.org)",
        "https://x.org",
        "://",
        "[^1]",
        "[^1]: ",
    ),
    *("<think>", "</think>", "<thi", "nk>", "</", "<b>", "</b>", "<br>", "<details>", "</details>", "<summary>s</summary>", "<", "&amp;"),
    *("$$", "$", "$x$", r"\[", r"\]", r"\(", r"\)", "\\", "^2", "=", r"\frac{a}{b}"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=16).map("".join)


class Receiver:
    """What a page does with the changes."""

    def __init__(self, thinking: bool = False) -> None:
        self.growing = Growing(thinking)
        self.shown: dict[int, str] = {}
        self.sent: list[int] = []

    def take(self, more: str) -> None:
        for index, html in self.growing.grow(more):
            self.sent.append(index)
            if html:
                self.shown[index] = html
            else:
                del self.shown[index]

    @property
    def blocks(self) -> list[str]:
        return [self.shown[index] for index in range(len(self.shown))]


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.lists(st.integers(1, 7), min_size=1), st.booleans())
@example("[a]: https://x.org\n'a title\nof three\nlines'\n\n[a]", [1], False)
@example("a\nb | c\n--|--x\n\ny", [1], False)
def test_the_blocks_are_those_of_the_whole_text_however_it_was_cut(text: str, lengths: list[int], thinking: bool) -> None:
    receiver = Receiver(thinking)
    at = turn = 0
    while at < len(text):
        receiver.take(text[at : at + lengths[turn % len(lengths)]])
        at += lengths[turn % len(lengths)]
        turn += 1
    assert receiver.blocks == blocks(text, thinking)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_after_every_sign_the_blocks_are_those_of_the_text_so_far(text: str) -> None:
    receiver = Receiver()
    for end in range(len(text)):
        receiver.take(text[end])
        assert receiver.blocks == blocks(text[: end + 1])


@settings(max_examples=100, deadline=None)
@given(TEXTS, TEXTS)
def test_nothing_more_changes_nothing(text: str, more: str) -> None:
    receiver = Receiver()
    receiver.take(text)
    assert receiver.growing.grow("") == []
    receiver.take(more)
    assert receiver.growing.grow("") == []


def sent(text: str, *more: str) -> list[list[int]]:
    """The blocks sent for each piece that follows a text."""
    growing = Growing()
    growing.grow(text)
    return [[index for index, _ in growing.grow(piece)] for piece in more]


def test_a_closed_block_is_not_sent_again() -> None:
    assert sent("# A\n\npara", "graph", "\n", "\n", "next", " one\n\n- a", "\n- b") == [[1], [], [], [2], [2, 3], [3]]


def test_what_markdown_lets_later_text_change_is_sent_again() -> None:
    assert sent("Title", "\nmore", "\n=") == [[0], [0]]
    assert sent("> a\n", "lazy") == [[0]]
    assert sent("| a |\n", "|-|") == [[0]]
    assert sent("- a\n", "\n- b") == [[0]]
    assert sent("1. a\n\n2", ". b") == [[0, 1]]
    assert sent("[a] and [^1]\n\nx\n\n", "[a]: https://x.org", "\n\n[^1]: y") == [[0], [0, 2]]


def test_a_block_that_goes_is_said_to_be_gone() -> None:
    growing = Growing()
    growing.grow("1. a\n\n2")
    assert growing.grow(". b")[-1] == (1, "")
    growing = Growing()
    growing.grow("x\n\n[a]: https://x.org\n'tit")
    assert growing.grow("le'") == [(1, "")]


def test_the_first_definition_of_a_link_holds() -> None:
    receiver = Receiver()
    for piece in ("[a]\n\n[a]: https://x.org", "/y\n\n", "[a]: https://z.org\n\n", "[a]"):
        receiver.take(piece)
    assert all('href="https://x.org/y"' in html for html in receiver.blocks) and len(receiver.blocks) == 2


def test_there_is_an_end_to_thoughts() -> None:
    made = blocks("<think>a</think>b\n\n" * 60)
    assert sum("<details" in html for html in made) == 50 and sum("&lt;think&gt;a" in html for html in made) == 10


def test_after_a_thought_its_blocks_are_closed() -> None:
    assert sent("<think>a\n\nb", "c", "</thi", "nk>", "d", "e") == [[0], [], [0], [1], [1]]


def lines_run(growing: Growing, piece: str) -> int:
    """Lines of Python that one call runs."""
    count = 0

    def trace(frame: object, event: str, arg: object):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        growing.grow(piece)
    finally:
        sys.settrace(before)
    return count


PARAGRAPH = "Some **words** with `code`, a [link](https://x.org), and $x^2$ in a [paragraph] that ends.\n\n"


@pytest.mark.parametrize("before", ["x\n\n", PARAGRAPH * 110, "- item\n" * 1_400 + "\n\nx\n\n", "```\n" + "x = 1\n" * 1_600 + "```\n\n"])
def test_the_cost_of_a_piece_does_not_depend_on_what_stands_before_it(before: str) -> None:
    """Of the first one it may: it closes what stood before it."""
    growing, fresh = Growing(), Growing()
    growing.grow(before + "One")
    fresh.grow("One")
    for piece in (" more", " word", " and", "\n\n", "- a"):
        assert lines_run(growing, piece) <= lines_run(fresh, piece) + 60


def test_what_is_kept_of_closed_blocks_is_their_html_and_what_waits_for_a_definition() -> None:
    growing = Growing()
    growing.grow(PARAGRAPH * 100 + "x")
    assert growing._part._open == "x"
    assert len(growing._part._waiting["PARAGRAPH"]) == 100
    growing.grow("\n\n[paragraph]: https://p.org\n\nx")
    assert growing._part._waiting == {}
