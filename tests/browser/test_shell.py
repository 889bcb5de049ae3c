"""The shell in Chromium: from page to page, light and dark kept, on a phone, by keyboard."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.pages.site import PAGES
from tests.browser.conftest import Site
from tests.browser.test_page_guards import serious

PLAIN = [page.path for page in PAGES if page.body is not None]


def opened(context: BrowserContext, site: Site, path: str) -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/{path}")
    return page


def test_navigation_leads_to_every_page_and_back(visit: Callable[..., Page]) -> None:
    page = visit()
    for other in (one for one in PAGES if one.body is not None):
        page.locator("#pages").get_by_role("link", name=other.name, exact=True).click()
        expect(page.locator("h1")).to_have_text(other.name)
        expect(page.locator("#pages [aria-current]")).to_have_text(other.name)
    page.locator("#pages").get_by_role("link", name="Chat", exact=True).click()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()


def test_dark_chosen_on_one_page_holds_on_the_next_and_in_the_chat(context: BrowserContext, site: Site, visit: Callable[..., Page]) -> None:
    page = opened(context, site, PLAIN[0])
    expect(page.locator("body.dark")).to_have_count(0)
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("body.dark")).to_have_count(1)
    page.reload()
    expect(page.locator("body.dark")).to_have_count(1)
    expect(visit().locator("body.dark")).to_have_count(1)


@pytest.mark.parametrize("path", PLAIN)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_page_of_ours(path: str, theme: str, context: BrowserContext, site: Site) -> None:
    page = opened(context, site, f"{path}?__theme={theme}")
    expect(page.locator("h1")).to_be_visible()
    assert serious(page) == []


@pytest.mark.parametrize("path", PLAIN)
def test_a_phone_reaches_the_navigation_and_nothing_is_wider_than_the_screen(path: str, context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{site.url}/{path}")
    expect(page.locator("#pages")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Show the sidebar").click()
    expect(page.locator("#pages")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#pages")).to_be_hidden()
