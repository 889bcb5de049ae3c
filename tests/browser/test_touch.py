"""What a finger presses is large enough for it, and on the screen."""

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Site, send, settled

SMALL = """() => [...document.querySelectorAll("button, #right input:not([type=range])")]
  .filter((button) => button.checkVisibility() && getComputedStyle(button).pointerEvents !== "none")
  .map((button) => [button.getAttribute("aria-label") || button.innerText || button.className, button.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 44 || box.height < 44))
  .map(([name, box]) => `${name}: ${box.width} × ${box.height}`)"""
OUTSIDE = """() => [...document.querySelectorAll("header button")]
  .filter((button) => button.checkVisibility() && button.getBoundingClientRect().right > innerWidth).map((button) => button.title)"""


def test_what_is_pressed_on_a_touch_screen_is_large_enough(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #welcome")).to_be_visible()
    site.say("```python\nprint(1)\n```\n")
    send(page, "from a phone")
    settled(page)
    page.evaluate("chatapp.toast('Deleted', { action: 'Undo', click: () => null })")
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.evaluate("chatapp.fold('right', false); chatapp.fold('more', false)")
    expect(page.locator("#seed")).to_be_visible()
    assert page.evaluate(SMALL) == []
    page.evaluate("chatapp.fold('right', true)")
    page.locator('[data-do="menu-one"]').click()
    assert page.evaluate(SMALL) == []
    context.close()


def test_a_temporary_chat_keeps_its_buttons_on_a_phone_and_a_notice_its_lines(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #welcome")).to_be_visible()
    page.locator('[data-do="temporary"]').click()
    expect(page.locator("#temporary-mark")).to_be_visible()
    assert page.evaluate(OUTSIDE) == []
    page.evaluate("chatapp.toast('The exchange was deleted.', { action: 'Undo', click: () => null })")
    assert page.locator(".toast > span").first.bounding_box()["height"] < 45
    context.close()
