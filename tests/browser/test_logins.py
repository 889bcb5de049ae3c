"""Two people who log in see their own conversations only, from every browser they use."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE, Site, launched, send, settled
from tests.conftest import Scripted


@pytest.fixture
def closed(scripted: Scripted, tmp_path: Path):
    with launched(scripted, tmp_path, ("ann:lamp", "bob:rope")) as site:
        yield site


def entered(browser: Browser, site: Site, name: str, password: str) -> Page:
    """A browser of its own, logged in."""
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    return log_in(page, site, name, password)


def log_in(page: Page, site: Site, name: str, password: str) -> Page:
    page.goto(site.url)
    page.get_by_label("username").fill(name)
    page.get_by_label("password").fill(password)
    page.get_by_role("button", name="Login").click()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    return page


def test_a_login_sees_its_own_conversations_in_every_browser_and_nobody_elses(browser: Browser, closed: Site) -> None:
    ann = entered(browser, closed, "ann", "lamp")
    send(ann, "My secret plan")
    settled(ann)
    expect(ann.locator("#conversations .open")).to_have_count(1)
    again = entered(browser, closed, "ann", "lamp")
    expect(again.locator("#conversations .open")).to_have_text("My secret plan")
    bob = entered(browser, closed, "bob", "rope")
    expect(bob.locator("#conversations .open")).to_have_count(0)
    bob.goto(ann.url)
    expect(bob.get_by_text("not found")).to_be_visible()
    expect(bob.locator("#bot .user-row")).to_have_count(0)
    bob.locator("#search").fill("secret")
    expect(bob.locator("#conversations")).not_to_contain_text("secret plan")
    for page in (ann, again, bob):
        page.context.close()


def test_the_next_login_in_a_browser_does_not_see_what_the_last_one_typed(browser: Browser, closed: Site) -> None:
    page = entered(browser, closed, "ann", "lamp")
    page.locator("#message").fill("my salary is 12345")
    page.wait_for_function("JSON.stringify({...localStorage}).includes('12345')")
    page.goto(closed.url + "/logout")
    log_in(page, closed, "bob", "rope")
    page.wait_for_function("chatapp.model.login")
    expect(page.locator("#message")).to_have_value("")
    page.locator("#message").fill("mine")
    page.wait_for_function("JSON.stringify({...localStorage}).includes('mine')")
    page.goto(closed.url + "/logout")
    log_in(page, closed, "ann", "lamp")
    expect(page.locator("#message")).to_have_value("my salary is 12345")
    page.context.close()
