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
