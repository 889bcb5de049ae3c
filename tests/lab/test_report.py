"""Report and exports: everything is in them, nothing runs in them, nothing is fetched by them."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest

from chatapp.lab import exports, plots, report
from chatapp.lab.pictures import pictures
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
    thousand = [plots.Dot(2.0, str(n), f"#{n}") for n in range(1000)]
    made = plots.strip("T", [plots.Group("1", [plots.Dot(1.0, "<one>", "#1")]), plots.Group("2", thousand)], joined=True)
    assert "<title>&lt;one&gt;</title>" in made and made.count("<circle") == 1 + 250 and "polyline" in made
    many = plots.strip("T", [plots.Group(str(n), thousand) for n in range(24)], joined=True)
    assert many.count("<circle") <= plots.MOST_IN_ALL and many.count('class="label"') == 8, "labels have room"
    assert plots.strip("T", [plots.Group("1", [])], joined=False) == ""


def test_a_dot_leads_to_its_reply(rows) -> None:
    reader = Reader()
    reader.feed(report.html(GRID, rows))
    leads = [attributes["href"] for tag, attributes in reader.tags if tag == "a" and "tabindex" in attributes]
    places = [attributes["id"] for tag, attributes in reader.tags if tag == "article"]
    assert set(leads) < {f"#{place}" for place in places} and len(places) == len(set(places)) == len(rows)
    assert "#reply-1-0-0" in leads and "#reply-1-1-0" not in leads, "a reply that failed has no dot"


def test_columns_of_one_reply_each_have_no_pictures() -> None:
    one = grid("{prompts: [x], columns: [{name: a}, {name: b}]}")
    assert pictures(one, [row("a"), row("b")], str) == []
    assert pictures(one, [row("a"), row("a", replica=1), row("b")], str)[0].figures


def test_the_report_has_the_apps_colours_light_and_dark() -> None:
    base, made = (report.ASSETS / "base.css").read_text(), report.style()
    for name in ("paper", "ink", "moss", "amber", "rule"):
        light, dark = re.findall(rf"--{name}: (#\w+);", base)
        assert re.findall(rf"--{name}: (#\w+);", made) == [light, dark]
    assert made.index("prefers-color-scheme: dark") < made.rindex("--paper:")
    used = set(re.findall(r"var\(--([\w-]+)\)", made))
    assert used <= set(re.findall(r"--([\w-]+):", made)), "every colour is there"
