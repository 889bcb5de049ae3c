"""The HTML of a card becomes Markdown, and what comes of that can do no harm."""

import time

from chatapp.markdown import blocks
from chatapp.models.card_text import as_markdown


def test_pictures_links_headings_stay_and_other_tags_go() -> None:
    html = '<div align="center"><img alt="A cat" src="https://x.org/c.png" width=3><h2 id="a">Title</h2></div>see <a href="https://y.org">here</a><br>b'
    assert "![A cat](https://x.org/c.png)" in as_markdown(html)
    assert "## Title" in as_markdown(html) and "see https://y.org here" in as_markdown(html)
    assert "<" not in as_markdown(html)
    assert as_markdown("<!-- secret -->a<!-- open") == "a<!-- open"
    assert as_markdown("<style>p { x }</style>a<script>alert(1)</script>b") == "ab"


def test_code_stays_as_it_is() -> None:
    text = "<b>a</b>\n```html\n<b>kept</b>\n~~~\n````\n<i>after</i>\n```python\n<u>open</u>"
    made = as_markdown(text)
    assert "<b>kept</b>" in made and "<u>open</u>" in made and "<i>" not in made and made.startswith("a\n")


def test_hostile_html_does_nothing() -> None:
    text = (
        '<img src="javascript:alert(1)" alt="x"><a href="javascript:alert(1)">y</a><iframe src="https://evil.example"></iframe>'
        '<form action="https://evil.example"><input></form><svg onload=alert(1)><a href="https://e.org)<script>">z</a>'
    )
    html = "".join(blocks(as_markdown(text)))
    assert not any(word in html for word in ("javascript:", "<iframe", "<form", "<input", "<svg", "<script", "<img", "onload="))


def test_the_time_grows_with_the_length() -> None:
    began = time.process_time()
    for piece in ("<", "<a ", "<!--", "<script>", "```\n", "<img src='", '<a href="' + "x" * 50):
        as_markdown(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5
