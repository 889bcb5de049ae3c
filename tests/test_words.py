"""What looks like a tag is shown, code is left as it stands, and the few tags that models format with still do."""

import pytest

from chatapp.ui.words import typed, written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain & simple, 1 < 2, x <- y", "plain & simple, 1 < 2, x <- y"),
        ("a<b and c>d", "a&lt;b and c>d"),
        ("<br> </div> <!-- no --> <?php", "&lt;br> &lt;/div> &lt;!-- no --> &lt;?php"),
        ("`<b>` ``a ` <i>`` <u>", "`<b>` ``a ` <i>`` &lt;u>"),
        ("```html\n<p>\n```\n<p>", "```html\n<p>\n```\n&lt;p>"),
        ("~~~\n<p>\n```\n<p>\n~~~\n<p>", "~~~\n<p>\n```\n<p>\n~~~\n&lt;p>"),
        ("<p>\n```\n<p> not closed yet", "&lt;p>\n```\n<p> not closed yet"),
        ("an open ` tick <p>", "an open ` tick &lt;p>"),
        ("so:\n\n    <p>indented</p>\n<p>", "so:\n\n    <p>indented</p>\n&lt;p>"),
    ],
)
def test_typed(text: str, shown: str) -> None:
    assert typed(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<think>hm</think>one<br>two<br/>x<sub>2</sub>", "<think>hm</think>one<br>two<br/>x<sub>2</sub>"),
        ("a<b and c>d <script>x</script>", "a&lt;b and c>d &lt;script>x&lt;/script>"),
        ('<b onclick="x()">', '&lt;b onclick="x()">'),
        ("`<script>`", "`<script>`"),
    ],
)
def test_written(text: str, shown: str) -> None:
    assert written(text) == shown
