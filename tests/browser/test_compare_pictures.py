"""The pictures of the page Compare in Chromium: a dot is a reply, under the pointer, by the keyboard, and at a click."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, tab

GRID = "{prompts: [Uno, Due], replicas: 3, columns: [{name: y, max_tokens: 9, sweep: {temperature: [0.5, 1]}}]}"


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Page:
    """A sweep that has ended."""
    made = tab(context, f"{site.url}/compare", "#c-run")
    made.locator("input[type=file]").set_input_files({"name": "g.yaml", "mimeType": "application/yaml", "buffer": GRID.encode()})
    expect(made.get_by_label("Values")).to_have_value("0.5, 1")
    made.get_by_role("button", name="Run", exact=True).click()
    expect(made.get_by_role("heading", name="What made the difference")).to_be_visible()
    expect(made.get_by_role("heading", name="y: the sweep of temperature")).to_be_visible()
    return made


def test_a_dot_says_its_reply_and_leads_to_it(page: Page) -> None:
    tokens = page.get_by_role("group", name="Tokens by temperature")
    dots = tokens.locator("a")
    expect(dots).to_have_count(12)
    tip = page.get_by_role("tooltip")
    page.locator('.plot a[href="#reply-1-0-2"]').first.hover()
    expect(tip).to_contain_text("3.0 · y [temperature=0.5] #3")
    expect(tip).to_contain_text("Due")
    expect(tip).to_contain_text("Hello world")
    page.locator('.plot a[href="#reply-1-0-2"]').first.click()
    cell = page.get_by_role("cell", name="y [temperature=0.5], prompt 2")
    expect(cell).to_be_focused()
    expect(cell).to_be_in_viewport()
    expect(cell).to_contain_text("Reply 3 of 3")
    expect(tip).to_be_hidden()
    assert "#" in page.url and "reply-" not in page.url, "the address still names the run"


def test_the_keyboard_stops_once_at_a_picture_and_goes_from_dot_to_dot(page: Page) -> None:
    dots = page.get_by_role("group", name="Tokens by temperature").locator("a")
    expect(page.locator('.plot a[tabindex="0"]')).to_have_count(page.locator(".plot").count())
    dots.first.focus()
    page.keyboard.press("ArrowLeft")
    expect(dots.last).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(dots.nth(1)).to_be_focused()
    expect(page.get_by_role("tooltip")).to_contain_text("Hello world")
    expect(dots.nth(1)).to_have_attribute("aria-label", "3.0 · y [temperature=0.5] #2. Uno. Hello world")
    page.keyboard.press("Escape")
    expect(page.get_by_role("tooltip")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("cell", name="y [temperature=0.5], prompt 1")).to_be_focused()


def test_a_phone_scrolls_along_the_pictures_alone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    plots = page.get_by_role("group", name="y: the sweep of temperature")
    expect(plots).to_be_visible()
    assert plots.bounding_box()["height"] < 260 and plots.evaluate("box => box.scrollWidth > box.clientWidth")
    assert page.evaluate("document.querySelector('.sheet').scrollWidth <= innerWidth")
