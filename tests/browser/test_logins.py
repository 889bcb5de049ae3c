"""Two people who log in see their own conversations only, from every browser they use."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from chatapp.server.login_limit import FREE_TRIES
from tests.browser.conftest import FLAGS, PATIENCE, Site, launched, send, settled
from tests.browser.test_page_guards import serious
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
    give(page, name, password)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    return page


def give(page: Page, name: str, password: str) -> None:
    """Fill in the login page that is shown."""
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


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


def test_the_address_that_was_asked_for_opens_after_the_login_by_keyboard_alone(browser: Browser, closed: Site) -> None:
    ann = entered(browser, closed, "ann", "lamp")
    send(ann, "My secret plan")
    settled(ann)
    other = browser.new_context().new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(ann.url)
    expect(other.get_by_label("User name")).to_be_focused()
    other.keyboard.type("ann")
    other.keyboard.press("Tab")
    other.keyboard.type("lamp")
    other.keyboard.press("Enter")
    expect(other.locator("#bot .user-row")).to_contain_text("My secret plan")
    assert other.url == ann.url
    other.goto(closed.url + "/logout")
    other.goto(closed.url + "/about")
    give(other, "ann", "lamp")
    expect(other.locator("h1")).to_have_text("About")
    for page in (ann, other):
        page.context.close()


def test_the_login_page_threatens_nobody_and_is_one_for_password_managers_phones_and_screen_readers(browser: Browser, closed: Site) -> None:
    for theme in ("light", "dark"):
        page = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=theme).new_page()
        page.goto(closed.url)
        name, password = page.get_by_label("User name"), page.get_by_label("Password")
        assert [field.get_attribute("autocomplete") for field in (name, password)] == ["username", "current-password"]
        assert page.locator("main").inner_text().split() == ["Chat", "User", "name", "Password", "Log", "in"]
        assert page.evaluate("document.body.classList.contains('dark')") == (theme == "dark")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert serious(page) == []
        page.context.close()


def test_the_account_menu_names_the_login_and_logs_out(browser: Browser, closed: Site) -> None:
    page = entered(browser, closed, "ann", "lamp")
    page.get_by_role("button", name="Account: ann").click()
    expect(page.get_by_role("menuitem").first).to_have_text("Logged in as ann")
    page.get_by_role("menuitem", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.goto(closed.url + "/about")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.context.close()


def test_back_shows_nothing_from_before_somebody_logged_out(browser: Browser, closed: Site) -> None:
    keeps = ["--disable-back-forward-cache"]  # of Playwright's own flags: without it the browser keeps pages, as anybody's does
    keeping = browser.browser_type.launch(executable_path=shutil.which("chromium"), args=list(FLAGS), ignore_default_args=keeps)
    page = keeping.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script("addEventListener('pageshow', ({ persisted }) => { if (persisted) window.name = 'kept'; });")
    log_in(page, closed, "ann", "lamp")
    send(page, "My secret plan")
    settled(page)
    page.wait_for_function("!chatapp.doing && document.querySelector('gradio-app #page #shell')")
    page.locator('[data-do="account"]').click()
    page.get_by_role("menuitem", name="Log out").click()
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    page.evaluate("history.back()")
    page.wait_for_function("location.search && document.querySelector('[type=password]')")
    assert page.evaluate("name") == "kept" and "secret" not in page.content()
    keeping.close()


def test_too_many_wrong_passwords_are_said_as_they_are_also_to_the_right_one(browser: Browser, closed: Site) -> None:
    page = browser.new_context().new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(closed.url)
    for _ in range(FREE_TRIES):
        give(page, "ann", "wrong")
        expect(page.get_by_role("alert")).to_have_text("This user name and password do not belong together.")
        expect(page.get_by_role("button", name="Log in")).to_be_enabled()
    give(page, "ann", "lamp")
    expect(page.get_by_role("alert")).to_contain_text("Too many attempts; wait")
    expect(page.get_by_role("alert")).to_contain_text("The password was not looked at.")
    expect(page.get_by_role("button")).to_be_disabled()
    expect(page.get_by_role("button")).to_contain_text("Wait")
    give_other = page.get_by_label("User name")
    give_other.fill("bob")
    expect(page.get_by_role("button", name="Log in")).to_be_enabled()
    give(page, "bob", "rope")
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    page.context.close()
