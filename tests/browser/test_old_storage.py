"""What an earlier version of the page kept in a browser is there for this one: settings, look, folds, drafts; and who the visitor is."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import PATIENCE, Site, launched, send, settled
from tests.browser.test_logins import give
from tests.fixtures.engine import REPLY, engine
from tests.fixtures.names import OLD, VISITOR_COOKIE

KEPT = json.loads((OLD / "browser.json").read_text())


@pytest.fixture
def old_site(tmp_path: Path) -> Iterator[Site]:
    with launched(engine(), Path(shutil.copytree(OLD / "data", tmp_path / "old"))) as site:
        yield site


def opened(context: BrowserContext, url: str, kept: dict[str, str]) -> Page:
    """The page in a browser that holds this, and the visitor's cookie."""
    context.add_cookies([{"name": "chatapp_visitor", "value": VISITOR_COOKIE, "url": url}])
    page = context.new_page()
    fill = f"if (!sessionStorage.filled) Object.assign(localStorage, {json.dumps(kept)}); sessionStorage.filled = 1"
    page.add_init_script(fill)
    page.goto(url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    return page


def knob(page: Page, name: str):
    return page.locator(f"#knob-{name} input[type=number]")


def test_settings_look_folds_and_drafts_are_as_they_were(context: BrowserContext, old_site: Site) -> None:
    page = opened(context, old_site.url, KEPT["visitor"]["local"])
    expect(knob(page, "min_p")).to_be_visible()  # "More" stands open
    for name, value in {"temperature": "1.3", "top_k": "11", "max_tokens": "333", "min_p": "0.1", "top_p": "0.95"}.items():
        expect(knob(page, name)).to_have_value(value)
    assert page.evaluate("document.documentElement.classList.contains('dark') || document.body.classList.contains('dark')")
    expect(page.locator("#message")).to_have_value("An unsent message")
    expect(page.locator("#system textarea")).to_have_value("An unsent system prompt")


def test_settings_and_drafts_wait_for_nothing_of_gradios(context: BrowserContext, old_site: Site) -> None:
    context.route("**/assets/*.js", lambda route: route.abort())
    page = opened(context, old_site.url, KEPT["visitor"]["local"])
    expect(page.locator("#system textarea")).to_have_value("An unsent system prompt")
    expect(knob(page, "temperature")).to_have_value("1.3")


def test_the_visitor_finds_the_conversations_and_each_has_its_draft(context: BrowserContext, old_site: Site) -> None:
    page = opened(context, old_site.url, KEPT["visitor"]["local"])
    expect(page.locator("#conversations .open")).to_have_count(8)
    page.locator("#conversations .open").first.click()
    expect(page.locator("#bot .bot-row").last).to_contain_text("A wombat is a marsupial.")
    expect(page.locator("#message")).to_have_value("An unsent follow-up")
    send(page, "And now?")
    settled(page)
    expect(page.locator("#bot .user-row").last).to_contain_text("And now?")
    used = old_site.engine.samplings[-1]
    assert (used.temperature, used.top_k, used.max_tokens, used.min_p) == (1.3, 11, 333, 0.1)
    page.reload()
    expect(page.locator("#bot .bot-row").last).to_contain_text(REPLY.split("\n")[0])
    expect(page.locator("#message")).to_have_value("")


def test_a_login_finds_its_own_drafts(context: BrowserContext, tmp_path: Path) -> None:
    with launched(engine(), Path(shutil.copytree(OLD / "data", tmp_path / "old")), ("ann:lamp",)) as site:
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(site.url)
        page.evaluate("(kept) => Object.assign(localStorage, kept)", KEPT["login"]["local"])
        give(page, "ann", "lamp")
        expect(page.locator("body:not(.starting) #message")).to_have_value("An unsent message")
        expect(page.locator("#system textarea")).to_have_value("An unsent system prompt")
        page.locator("#conversations .open", has_text="Of a login").click()
        expect(page.locator("#message")).to_have_value("An unsent follow-up")


def test_sliders_that_were_kept_by_position_become_settings_by_name(context: BrowserContext, old_site: Site) -> None:
    page = opened(context, old_site.url, KEPT["sliders"])
    names = "temperature", "top_p", "top_k", "max_tokens", "min_p", "repetition_penalty"
    for name, value in zip(names, ("1.1", "0.8", "22", "222", "0.2", "1.25"), strict=True):
        expect(knob(page, name)).to_have_value(value)
