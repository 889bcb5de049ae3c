"""What a finger presses is large enough for it."""

from playwright.sync_api import Browser, expect

from tests.browser.conftest import Site, send, settled

SMALL = """() => [...document.querySelectorAll("button")]
  .filter((button) => button.checkVisibility() && !button.closest("#right, .toast, .code-head"))
  .map((button) => [button.getAttribute("aria-label") || button.innerText, button.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.width < 36 || box.height < 36))
  .map(([name, box]) => `${name}: ${box.width} × ${box.height}`)"""


def test_buttons_on_a_touch_screen_are_large_enough(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #welcome")).to_be_visible()
    send(page, "from a phone")
    settled(page)
    assert page.evaluate(SMALL) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()
