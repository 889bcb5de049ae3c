"""What a model writes in a real browser: nothing of an attack runs, loads or covers; wide things scroll, words stay whole."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from chatapp.markdown import Growing, blocks
from tests.attacks import ATTACKS

STYLE = Path(__file__).parents[2] / "assets" / "markdown.css"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"
PAGE = """<!doctype html><html lang="en"><title>Words</title><link rel="stylesheet" href="/style.css"><script src="/script.js"></script>
<main><h1>Words</h1><button id="message">Send</button><div id="reply" class="markdown"></div></main>"""
SCRIPT = """
const broken = [];
document.addEventListener('securitypolicyviolation', (event) => broken.push(event.violatedDirective + ' ' + event.blockedURI));
function show(blocks) {
  document.getElementById('reply').replaceChildren(...blocks.map((html) => {
    const div = document.createElement('div'); div.innerHTML = html; return div;
  }));
}
"""
FORBIDDEN = (
    "#reply :is([style], [id], [name], [onclick], [onerror], form, input, button, iframe, object, embed, svg, img, video, audio, script,"
    " style, link, base, meta)"
)
COVERED = """() => {
  const box = document.getElementById('message').getBoundingClientRect();
  return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2).id !== 'message';
}"""
MOVED = """() => [...document.querySelectorAll('#reply *')]
  .filter((e) => !['static', 'relative'].includes(getComputedStyle(e).position)).map((e) => e.outerHTML)"""
SCHEMES = "() => [...document.querySelectorAll('#reply a[href]')].map((a) => new URL(a.href).protocol)"

SAMPLE = """# Title

Some **bold** text, `code`, $x^2$ and a [link](https://x.org).

\\[ \\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix} \\]

9. nine
10. ten
    - [x] done

| Name of the thing | Value | Another column | And one more | The last column |
|---|--:|---|---|---|
| Reproducibility | 2 | internationalization | incomprehensibilities | uncharacteristically |

```python
def a_function_with_a_very_long_name(and_a_long_argument, and_another_one, and_one_more, and_the_last): return 1
```

> quoted[^1]

[^1]: A note

- שלום עולם

<details><summary>More</summary>

words

</details>
"""


class Handler(BaseHTTPRequestHandler):
    """The page, its script and its style, under a policy that forbids all else."""

    def do_GET(self) -> None:
        kind, body = {
            "/": ("text/html", PAGE),
            "/script.js": ("text/javascript", SCRIPT),
            "/style.css": ("text/css", STYLE.read_text(encoding="utf-8")),
        }.get(self.path, ("text/plain", ""))
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def words(browser: Browser, address: str) -> Iterator[Page]:
    """The small page; at the end it must have asked for nothing but itself."""
    page = browser.new_context(viewport={"width": 390, "height": 700}).new_page()
    asked: list[str] = []
    dialogs: list[str] = []
    page.context.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(address)
    yield page
    assert {url.removeprefix(address) for url in asked} <= {"/", "/script.js", "/style.css", "/favicon.ico"}
    assert dialogs == [] and len(page.context.pages) == 1
    page.context.close()


def show(page: Page, made: list[str]) -> None:
    page.evaluate(f"show({json.dumps(made)})")


def test_no_attack_runs_loads_or_covers(words: Page) -> None:
    for name, text in ATTACKS.items():
        show(words, blocks(text))
        found = words.locator(FORBIDDEN).evaluate_all("(all) => all.map((e) => e.outerHTML)")
        assert (name, found, words.evaluate(MOVED), words.evaluate(COVERED)) == (name, [], [], False)
        assert set(words.evaluate(SCHEMES)) <= {"http:", "https:", "mailto:"}, name
    words.wait_for_timeout(500)
    assert words.evaluate("[window.hacked, broken]") == [None, []]


def test_no_attack_wakes_up_when_the_browser_reads_its_own_html_again(words: Page) -> None:
    """Mutations: what is harmless as text may not be so after a browser has written it out."""
    show(words, [html for text in ATTACKS.values() for html in blocks(text)])
    for _ in range(3):
        words.evaluate("() => { const reply = document.getElementById('reply'); reply.innerHTML = reply.innerHTML; }")
    words.wait_for_timeout(500)
    assert words.evaluate("[window.hacked, broken]") == [None, []]
    assert words.locator(FORBIDDEN).count() == 0


def test_no_attack_works_while_it_is_written(words: Page) -> None:
    growing, shown = Growing(), {}
    for text in ATTACKS.values():
        for at in range(0, len(text), 7):
            shown |= growing.grow(text[at : at + 7])
        shown |= growing.grow("\n\n")
        show(words, [shown[index] for index in sorted(shown)][-3:])
    assert words.evaluate("[window.hacked, broken]") == [None, []]


def test_wide_things_scroll_in_their_place_and_words_stay_whole(words: Page) -> None:
    show(words, blocks(SAMPLE))
    assert words.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for wide in (".table", "pre"):
        assert words.locator(wide).first.evaluate("(e) => e.scrollWidth > e.clientWidth")
    assert words.locator("td").first.evaluate("(e) => e.getBoundingClientRect().height") < 60
    assert words.locator("math").first.bounding_box()["width"] > 5


def test_a_fraction_is_not_cut_off_and_a_task_stands_beside_its_box_in_a_loose_list(words: Page) -> None:
    show(words, blocks("\\[\\int_0^1 \\frac{x}{y} dx\\]\n\n- [ ] todo\n\n- [x] done"))
    assert words.locator("div.formula").evaluate("(e) => e.scrollHeight <= e.clientHeight")
    assert words.locator("li.task").first.bounding_box()["height"] < 40


def test_numbers_of_two_digits_have_room_and_right_to_left_lists_their_marker_on_the_right(words: Page) -> None:
    show(words, blocks(SAMPLE))
    assert float(words.locator("ol").evaluate("(e) => parseFloat(getComputedStyle(e).paddingLeft)")) >= 30
    hebrew = words.locator("ul[dir=rtl]")
    assert hebrew.evaluate("(e) => getComputedStyle(e).direction") == "rtl"
    assert float(hebrew.evaluate("(e) => parseFloat(getComputedStyle(e).paddingRight)")) >= 20


def test_axe_finds_nothing_serious_in_a_reply(words: Page) -> None:
    show(words, blocks("<think>hm</think>" + SAMPLE))
    found = Axe().run(words).response["violations"]
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found if v["impact"] in ("serious", "critical")] == []
