"""The shell in Chromium: from page to page, light and dark kept, on a phone, by keyboard."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.pages.site import PAGES
from chatapp.tasks import EVERYBODY, Task
from tests.browser.conftest import Site
from tests.browser.test_page_guards import faults, serious

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
def test_axe_finds_nothing_on_a_page_of_ours(path: str, theme: str, context: BrowserContext, site: Site) -> None:
    page = opened(context, site, f"{path}?__theme={theme}")
    expect(page.locator("h1")).to_be_visible()
    assert faults(page) == []


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


def test_a_window_that_becomes_narrow_folds_its_sides_and_unfolds_them_when_it_is_wide_again(context: BrowserContext, site: Site) -> None:
    page = opened(context, site, "")
    sides = page.locator("#left"), page.locator("#right")
    for width, visible in ((1280, (True, True)), (1000, (True, False)), (390, (False, False)), (1280, (True, True))):
        page.set_viewport_size({"width": width, "height": 800})
        for side, seen in zip(sides, visible, strict=True):
            expect(side).to_be_visible(visible=seen)
    page.get_by_role("button", name="Hide the sidebar").click()
    page.set_viewport_size({"width": 390, "height": 800})
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(sides[1]).to_be_visible()
    expect(sides[0]).to_be_hidden()


@pytest.fixture
def task(site: Site) -> Iterator[Task]:
    """Something long that everybody sees."""
    task = site.tasks.begin(EVERYBODY, "convert", "Convert big.gguf", again=lambda: None)
    task.tell("Converting big.gguf, once", 0.43)
    yield task
    task.end("done")
    site.tasks.dismiss("", task.id, local=True)


@pytest.mark.parametrize("path", ["", *PLAIN])
def test_the_tray_shows_what_runs_on_every_page_and_cancels_it(path: str, context: BrowserContext, site: Site, task: Task) -> None:
    page = opened(context, site, path)
    page.locator("#tasks-open").click()
    tray = page.get_by_role("dialog", name="Tasks")
    expect(tray).to_contain_text("Converting big.gguf, once 43 %")
    assert serious(page) == []
    tray.get_by_role("button", name="Cancel").click()
    expect(tray).to_contain_text("Cancelling")
    assert task.cancelling
    task.end("failed", error="The disk is full.")
    expect(tray.get_by_role("button", name="Try again")).to_be_visible()
    expect(tray).to_contain_text("The disk is full.")
    page.keyboard.press("Escape")
    expect(tray).to_be_hidden()
    expect(page.locator("#tasks-open")).to_be_focused()
    expect(page.locator("#tasks-open")).to_contain_text("failed")


def test_the_tray_is_not_there_when_nothing_runs(page: Page) -> None:
    page.wait_for_timeout(500)
    expect(page.locator("#tasks-open")).to_be_hidden()
    expect(page.locator("#account")).to_be_hidden()


def test_a_question_mark_lists_the_keys_and_is_a_letter_where_one_types(page: Page) -> None:
    page.locator("#message").press("?")
    expect(page.locator("#message")).to_have_value("?")
    expect(page.locator("#keys")).to_be_hidden()
    page.locator("#title").click()
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    shown = page.locator("#keys dd").all_inner_texts()
    assert shown == page.evaluate("chatapp.shortcuts.map(({words}) => words)") and "New chat" in shown
    assert serious(page) == []
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.get_by_role("button", name="Keyboard shortcuts (?)").click()
    expect(page.locator("#keys")).to_be_visible()


def test_about_gives_this_very_address_to_programs(context: BrowserContext, site: Site) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = opened(context, site, "about")
    expect(page.locator("#facts")).to_contain_text("scripted")
    expect(page.locator("#api")).to_contain_text("is off. Start the app with CHATAPP_API_KEY")
    page.get_by_role("button", name="Copy gradio_client for Python").click()
    expect(page.locator(".toast")).to_contain_text("was copied")
    assert f'Client("{site.url}/")' in page.evaluate("navigator.clipboard.readText()")
