"""What a model writes, and how it is drawn: one golden example for each thing that Markdown can do here."""

import pytest

from chatapp.markdown import blocks
from chatapp.markdown.links import WHY

LINK = 'target="_blank" rel="noopener noreferrer nofollow"'


def p(words: str) -> str:
    return f'<p dir="auto">{words}</p>'


def inline(text: str) -> str:
    [html] = blocks(text)
    return html.removeprefix('<p dir="auto">').removesuffix("</p>")


def squeezed(text: str) -> list[str]:
    return [html.replace("\n", "") for html in blocks(text)]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*a* _b_ **c** __d__ ***e***", "<em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em>"),
        ("~~gone~~ and 5~6", "<s>gone</s> and 5~6"),
        ("`a <b> c` ``a ` b``", "<code>a &lt;b&gt; c</code> <code>a ` b</code>"),
        ("one\ntwo  \nthree\\\nfour", "one<br>\ntwo<br>\nthree<br>\nfour"),
        (r"\*not\* \# \<b>", "*not* # &lt;b&gt;"),
        ("&copy; &lt;b&gt; &#8364; &nope;", "© &lt;b&gt; € &amp;nope;"),
        ("snake_case_word and 2*3*4", "snake_case_word and 2<em>3</em>4"),
    ],
)
def test_words(text: str, html: str) -> None:
    assert inline(text) == html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain & simple, 1 < 2, x <- y", "plain &amp; simple, 1 &lt; 2, x &lt;- y"),
        ("a<b and c>d", "a&lt;b and c&gt;d"),
        ("</div> <!-- no --> <?php", "&lt;/div&gt; &lt;!-- no --&gt; &lt;?php"),
        ("`<b>` ``a ` <i>`` <p>", "<code>&lt;b&gt;</code> <code>a ` &lt;i&gt;</code> &lt;p&gt;"),
        ("one<br>two<br/>x<sub>2</sub>", "one<br>\ntwo<br>\nx<sub>2</sub>"),
        ("<b>a</b> <i>b</i> <u>c</u> <kbd>d</kbd> <mark>e</mark>", "<b>a</b> <i>b</i> <u>c</u> <kbd>d</kbd> <mark>e</mark>"),
        ("<B>a</B> <sup>*b*</sup>", "<b>a</b> <sup><em>b</em></sup>"),
        ("<b>never closed", "&lt;b&gt;never closed"),
        ("closed</b> *a <b>b* c</b>", "closed&lt;/b&gt; <em>a &lt;b&gt;b</em> c&lt;/b&gt;"),
        ("<b><i>a</b></i>", "<b>&lt;i&gt;a</b>&lt;/i&gt;"),
        ('<b onclick="x()">a</b>', '&lt;b onclick="x()"&gt;a&lt;/b&gt;'),
        ("<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
        ("def f(x: List<int>) -> Map<String, b>", "def f(x: List&lt;int&gt;) -&gt; Map&lt;String, b&gt;"),
    ],
)
def test_tags_are_shown_as_typed_but_for_those_that_models_format_with(text: str, shown: str) -> None:
    assert inline(text) == shown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("[a](https://x.org)", f'<a href="https://x.org" {LINK}>a</a>'),
        ('[*a*](http://x.org "t & t")', f'<a href="http://x.org" title="t &amp; t" {LINK}><em>a</em></a>'),
        ("[a](mailto:b@c.org)", f'<a href="mailto:b@c.org" {LINK}>a</a>'),
        ("<https://x.org/a?b=1&c=2>", f'<a href="https://x.org/a?b=1&amp;c=2" {LINK}>https://x.org/a?b=1&amp;c=2</a>'),
        ("<ann@x.org>", f'<a href="mailto:ann@x.org" {LINK}>ann@x.org</a>'),
        ("see https://x.org/a_b_c, and", f'see <a href="https://x.org/a_b_c" {LINK}>https://x.org/a_b_c</a>, and'),
        ("(https://x.org/a_(b))", f'(<a href="https://x.org/a_(b)" {LINK}>https://x.org/a_(b)</a>)'),
        ("**https://x.org**", f'<strong><a href="https://x.org" {LINK}>https://x.org</a></strong>'),
        ("见https://x.org。", f'见<a href="https://x.org" {LINK}>https://x.org</a>。'),
        ("[https://x.org](https://y.org)", f'<a href="https://y.org" {LINK}>https://x.org</a>'),
        ("xhttps://x.org https:// http: a://b", "xhttps://x.org https:// http: a://b"),
        ("[a](b.md) [c](#d) [e](//f.org)", "[a](b.md) [c](#d) [e](//f.org)"),
        ("[a](javascript:b) [c](ftp://d.org)", "[a](javascript:b) [c](ftp://d.org)"),
        (
            "![a *b*](https://x.org/c.png)",
            f'<a class="image" href="https://x.org/c.png" title="{WHY}" {LINK}>a b <span class="address">https://x.org/c.png</span></a>',
        ),
        ("![](https://x.org/c.png)", f'<a class="image" href="https://x.org/c.png" title="{WHY}" {LINK}>https://x.org/c.png</a>'),
        (
            "[![a](https://x.org/c.png)](https://y.org)",
            f'<a href="https://y.org" {LINK}>a <span class="address">https://x.org/c.png</span></a>',
        ),
        ("![a](c.png)", "![a](c.png)"),
    ],
)
def test_links_and_images(text: str, html: str) -> None:
    assert inline(text) == html


def test_links_are_defined_before_or_after_and_their_definitions_draw_nothing() -> None:
    assert blocks("[a]: https://x.org 't'\n\n[a] [B][b] [c]\n\n[b]: https://y.org") == [
        p(f'<a href="https://x.org" title="t" {LINK}>a</a> <a href="https://y.org" {LINK}>B</a> [c]')
    ]


def test_headings_rules_and_quotes() -> None:
    assert squeezed("# A\n\nB\n===\n### C ###\n***\n> d\n>\n> > e") == [
        '<h1 dir="auto">A</h1>',
        '<h1 dir="auto">B</h1>',
        '<h3 dir="auto">C</h3>',
        "<hr>",
        f'<blockquote dir="auto">{p("d")}<blockquote dir="auto">{p("e")}</blockquote></blockquote>',
    ]


def test_lists_keep_their_number_and_nest() -> None:
    assert squeezed("9. a\n10. b\n    - c\n    - d\n\nx") == [
        '<ol start="9" dir="auto"><li dir="auto">a</li><li dir="auto">b'
        '<ul dir="auto"><li dir="auto">c</li><li dir="auto">d</li></ul></li></ol>',
        p("x"),
    ]
    assert squeezed("- a\n\n- b") == [f'<ul dir="auto"><li dir="auto">{p("a")}</li><li dir="auto">{p("b")}</li></ul>']


def test_tasks() -> None:
    box = '<li class="task" dir="auto"><span class="box" role="img" aria-label="{}">{}</span> {}</li>'
    assert squeezed("- [x] a\n- [ ] *b*") == [f'<ul dir="auto">{box.format("done", "☑", "a")}{box.format("to do", "☐", "<em>b</em>")}</ul>']


def test_tables_scroll_and_keep_their_alignment() -> None:
    assert squeezed("| a | b |\n|:-:|--:|\n| `x\\|y` | **2** |\n| 3 |") == [
        '<div class="table" tabindex="0"><table dir="auto"><thead><tr>'
        '<th dir="auto" class="center">a</th><th dir="auto" class="right">b</th></tr></thead>'
        '<tbody><tr><td dir="auto" class="center"><code>x|y</code></td><td dir="auto" class="right"><strong>2</strong></td></tr>'
        '<tr><td dir="auto" class="center">3</td><td dir="auto" class="right"></td></tr></tbody></table></div>'
    ]


CODE = '<div class="{}"><div class="code-head"><span>{}</span></div><pre tabindex="0"><code>{}</code></pre></div>'


@pytest.mark.parametrize(
    ("text", "kind", "language", "shown"),
    [
        ("```python\nx = 1\n```", "code", "python", '<span class="n">x</span> <span class="o">=</span> <span class="mi">1</span>\n'),
        ("```Python {.a}\nx\n```", "code", "Python", '<span class="n">x</span>\n'),
        ("```\n<b> & $x$ *y*\n```", "code", "", "&lt;b&gt; &amp; $x$ *y*\n"),
        ("~~~nolanguage\n```\n~~~", "code", "nolanguage", "```\n"),
        ("```py\nx = 1", "code", "py", '<span class="n">x</span> <span class="o">=</span> <span class="mi">1</span>'),
        ("```py", "code", "py", ""),
        ("    a\n\n      b", "code", "", "a\n\n  b\n"),
        ("```mermaid\ngraph TD\nA-->B\n```", "code mermaid", "mermaid", "graph TD\nA--&gt;B\n"),
    ],
)
def test_code(text: str, kind: str, language: str, shown: str) -> None:
    assert blocks(text) == [CODE.format(kind, language, shown)]


def test_a_formula_in_every_way_of_writing_it() -> None:
    x = '<math alttext="x"><mi>x</mi></math>'
    shown = '<math alttext="x" display="block"><mi>x</mi></math>'
    assert inline(r"a $x$ b \(x\) c") == f"a {x} b {x} c"
    assert inline(r"a $$x$$ b \[x\] c") == f"a {shown} b {shown} c"
    for text in (r"\[x\]", "$$x$$", "\\[\nx\n\\]", "$$\nx\n$$", "  $$ x $$"):
        assert squeezed(text) == [f'<div class="formula" dir="auto">{shown}</div>']


def test_a_display_formula_is_not_read_as_markdown() -> None:
    made = blocks("We have:\n\\[\na\n- b\n= *c*\n\\]\nso")
    assert len(made) == 3 and "<li" not in made[1] and made[1].count("<math") == 1 and "<em" not in made[1]
    assert squeezed("- a\n  $$\n  x\n  $$\n- b")[0].count('<div class="formula"') == 1
    assert squeezed("\\[\nx\n\\] holds") == [
        f'<div class="formula" dir="auto"><math alttext="x" display="block"><mi>x</mi></math>{p("holds")}</div>'
    ]


def test_aligned_formulas_are_aligned_by_classes() -> None:
    [html] = blocks("$$\\begin{aligned} a &= b \\\\ &= c \\end{aligned}$$")
    assert html.count('<mtd class="right">') == 2 and html.count('<mtd class="left">') == 2 and " style=" not in html
    assert 'mathcolor="#FF0000"' in blocks(r"$\color{red} x$")[0]
    assert "<mtext>(1)</mtext>" in blocks(r"\[x \tag{1}\]")[0]
    assert "<mtable" in blocks(r"\[\begin{split} a &= b \end{split}\]")[0]


@pytest.mark.parametrize(
    "text",
    [
        "I have $5 and you have $10.",
        "from $5-$10 to $1,000",
        "US$5 or A$6, $5 bill and the 10$ note",
        "5$ or 10$",
        "$HOME/$USER and $PATH",
        "$ x $ and $x $ and $ x$",
        "echo $$",
        "a $x$1 b",
        "$x\n\ny$",
    ],
)
def test_prices_and_variables_are_no_formulas(text: str) -> None:
    assert "".join(blocks(text)).count("<math") == 0
    assert "".join(blocks(text)).count("$") == text.count("$")


@pytest.mark.parametrize(
    "text", ["`$x$`", "`\\(x\\)`", "```\n$x$ \\[y\\]\n```", "    $$x$$", "costs $5 in `x$`", r"\(a `b\)` c", r"\$x\$", r"\\(x\\)"]
)
def test_there_are_no_formulas_in_code_nor_where_the_mark_is_escaped(text: str) -> None:
    assert "<math" not in blocks(text)[0]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"\(\nosuchthing{x}\)", p(r'<code class="formula">\(\nosuchthing{x}\)</code>')),
        ("$\\frac{1$", p(r'<code class="formula">$\frac{1$</code>')),
        ("\\[\na <b", '<div class="formula" dir="auto">\n<code class="formula">\\[\na &lt;b</code></div>'),
        ("$$\nx\n\nafter", '<div class="formula" dir="auto">\n<code class="formula">$$\nx</code></div>'),
    ],
)
def test_a_formula_that_cannot_be_drawn_is_shown_as_typed(text: str, shown: str) -> None:
    assert blocks(text)[0] == shown


def test_footnotes_stand_where_they_were_written() -> None:
    assert squeezed("a[^1] [^abc]\n\n[^1]: b *c*\n\n    d\n[^x]: e") == [
        p('a<sup class="note">1</sup> [^abc]'),
        f'<div class="note" dir="auto"><span class="label">1</span>{p("b <em>c</em>")}{p("d")}</div>',
        f'<div class="note" dir="auto"><span class="label">x</span>{p("e")}</div>',
    ]
    assert "note" not in blocks("> [^1]: a b")[0]


def test_a_thought_is_folded_and_open_while_it_lasts() -> None:
    def thought(html: str, state: str = "") -> str:
        return f'<details class="reasoning"{state}><summary>Reasoning</summary>{html}</details>'

    assert squeezed("<think>\na *b*\n\n- c\n</think>\n\nd") == [
        thought(f'{p("a <em>b</em>")}<ul dir="auto"><li dir="auto">c</li></ul>'),
        p("d"),
    ]
    assert blocks("<think>a") == [thought(p("a"), ' open=""')]
    assert blocks("a</think>b", thinking=True) == [thought(p("a")), p("b")]
    assert blocks("a", thinking=True) == [thought(p("a"), ' open=""')]
    assert blocks("<think>\n\n</think>\n\na") == [p("a")]
    assert blocks("a</think>b") == [p("a&lt;/think&gt;b")]
    assert squeezed("<think>```\na</think>b\n```") == [thought(CODE.format("code", "", "a")), p("b"), CODE.format("code", "", "")]
    assert squeezed("a\n<think>b</think>c\n\n<think>d</think>") == [p("a"), thought(p("b")), p("c"), thought(p("d"))]


@pytest.mark.parametrize("text", ["`<think>`", "```\n<think>\n```", "- a\n\n  <think>b", "a <think>b</think>", "    <think>"])
def test_a_thought_begins_only_where_a_block_of_the_reply_does(text: str) -> None:
    shown = "".join(blocks(text))
    assert "<details" not in shown and "&lt;think&gt;" in shown


def test_details_are_folds_with_markdown_in_them() -> None:
    def fold(title: str, html: str, state: str = "") -> str:
        return f'<details class="fold"{state} dir="auto"><summary dir="auto">{title}</summary>{html}</details>'

    assert squeezed("<details>\n<summary>A *b*</summary>\n\n- c\n\n</details>\nd") == [
        fold("A <em>b</em>", '<ul dir="auto"><li dir="auto">c</li></ul>'),
        p("d"),
    ]
    assert squeezed("<details open><summary>A</summary>\nb\n<details>\nc\n</details>\n</details>") == [
        fold("A", p("b") + fold("Details", p("c")), ' open=""')
    ]
    assert squeezed("- a\n  <details>\n  b\n- c")[0].count("<li") == 2


def test_right_to_left_text_says_so_on_every_block() -> None:
    assert blocks("שלום world") == [p("שלום world")]
    assert squeezed("- **שלום**\n\n  x\n- world")[0].startswith(
        f'<ul dir="rtl"><li dir="rtl">{p("<strong>שלום</strong>")}{p("x")}</li><li dir="auto">'
    )
    assert squeezed("> 1. مرحبا") == ['<blockquote dir="rtl"><ol dir="rtl"><li dir="rtl">مرحبا</li></ol></blockquote>']


def test_nothing_is_nothing() -> None:
    assert blocks("") == blocks("\n \n") == blocks("[a]: https://x.org") == []


def test_line_breaks_of_other_systems_and_signs_that_cannot_be_sent() -> None:
    assert blocks("# a\r\nb\rc") == ['<h1 dir="auto">a</h1>', p("b<br>\nc")]
    assert blocks("a\0b\ud800c\u2028d") == [p("a\ufffdb\ufffdc\u2028d")]
