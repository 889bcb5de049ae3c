"""Report and exports: everything is in them, nothing runs in them, nothing is fetched by them."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from chatapp.lab import exports, plots, report
from tests.lab.runs import grid
from tests.lab.test_metrics import row

HOSTILE = "=1+1 <script>alert(1)</script> ![x](http://evil.example/x.png) </main> ``` **bold**"
GRID = grid(
    "{prompts: ['What?', '<b>Why</b>'], columns: [{name: a}, {name: '<i>b</i>', temperature: 0}, {name: s, sweep: {top_k: [1, 2]}}]}"
)


@pytest.fixture
def rows():
    found = [row(variant.label, p, tokens=5 + n, reply=f"reply {n} of {p}") for p in (1, 0) for n, variant in enumerate(GRID.variants())]
    found[0]["reply"] = HOSTILE
    found[1] |= {"finish_reason": "error", "error": "The engine died.", "reply": "", "tokens": 0}
    found[2] |= {"passed": False, "assertions": [{"assert": {"json": True}, "passed": False, "why": "The reply is no JSON."}]}
    return found


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "hr", "img", "input", "circle", "path", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("circle", "path", "polyline"):
            assert self.open.pop() == tag


def test_the_report_is_whole_and_runs_and_fetches_nothing(rows) -> None:
    made = report.html(GRID, rows)
    reader = Reader()
    reader.feed(made)
    tags = {tag for tag, _ in reader.tags}
    assert reader.open == [] and not tags & {"script", "img", "link", "iframe", "form"}
    assert not [name for _, attributes in reader.tags for name in attributes if name.startswith("on") or name in ("src", "style")]
    assert "default-src 'none'" in made and "url(" not in made and "@import" not in made
    for words in (
        "The engine died.",
        "The reply is no JSON.",
        "&lt;b&gt;Why&lt;/b&gt;",
        "<strong>bold</strong>",
        "Top-k 1 → 2",
        "Parts from a",
    ):
        assert words in made
    assert made.count("<svg") == 6 + 5, "logprob has no numbers, and nothing of the sweep was asserted"


def test_the_table_has_every_reply_in_order_and_no_formulas(rows) -> None:
    lines = list(csv.DictReader(io.StringIO(exports.csv(GRID, rows))))
    assert [(line["prompt_index"], line["column"]) for line in lines] == [
        (str(p), variant.label) for p in (0, 1) for variant in GRID.variants()
    ]
    assert lines[4]["reply"] == f"'{HOSTILE}" and lines[5]["error"] == "The engine died." and lines[5]["tokens"] == ""
    assert lines[0]["model"] == "m" and float(lines[0]["temperature"]) == 1.0


def test_the_markdown_keeps_replies_in_their_fences(rows) -> None:
    made = exports.markdown(GRID, rows)
    assert f"````text\n{HOSTILE}\n````" in made and "### \\<i\\>b\\</i\\> #1".replace("#1", "\\#1") in made
    assert re.search(r"^\| a \| 2 \| 0 \|", made, re.M)


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.0, 1.0, [0.25, 0.5, 0.75, 1.0]), (-3, 3, [-2, 0, 2]), (99, 101, [99.5, 100, 100.5, 101])]
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[float]) -> None:
    assert plots.ticks(low, high) == pytest.approx(expected)


def test_a_plot_shows_each_reply_under_the_pointer_and_thins_out_thousands() -> None:
    made = plots.strip("T", [plots.Group("1", [(1.0, "<one>")]), plots.Group("2", [(2.0, str(n)) for n in range(1000)])], joined=True)
    assert "<title>&lt;one&gt;</title>" in made and made.count("<circle") == 1 + 250 and "polyline" in made
    assert plots.strip("T", [plots.Group("1", [])], joined=False) == ""
