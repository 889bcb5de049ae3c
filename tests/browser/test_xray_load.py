"""X-ray of a reply whose model is not in memory: a button loads that model, as every load does, and the view goes on by itself."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, send, settled
from tests.browser.test_xray import SHOWN
from tests.fixtures.engine import engine


@pytest.fixture
def own_site(tiny_llama: Path, tmp_path: Path) -> Iterator[Site]:
    """The app over a real model, which may be unloaded."""
    models = ModelManager(Settings(model=str(tiny_llama), data_dir=tmp_path, threads=1))
    with launched(engine(), tmp_path, models=models) as site:
        models.start()
        yield site
    models.close()


@pytest.fixture
def page(context: BrowserContext, own_site: Site) -> Page:
    """A reply of the model, which was unloaded then."""
    page = context.new_page()
    page.goto(own_site.url)
    expect(page.locator("#model-line")).to_contain_text("tiny-llama")
    page.evaluate("chatapp.fold('right', false)")
    page.locator("#knob-max_tokens input[type=number]").fill("8")
    page.locator("#knob-max_tokens input[type=number]").press("Enter")
    send(page, "Where is Paris?")
    settled(page)
    page.locator("#picker").click()
    page.get_by_role("button", name="Unload").click()
    expect(page.locator("#picker-list small")).to_have_text("Loads with the first message")
    page.keyboard.press("Escape")
    return page


def loads(page: Page) -> None:
    """Press the button that the view offers, with a name that can be read and the whole one in its tooltip."""
    button = page.get_by_role("button", name=re.compile(r"^Load tiny-llama\d+@[0-9a-f]{6}$"))
    assert re.search(r"@sha256:[0-9a-f]{16}$", button.get_attribute("title"))
    button.click()


def test_reproduce_has_its_button_and_replays_then(page: Page, own_site: Site) -> None:
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    page.locator("#xray-tab-card").click()
    expect(page.locator("#xray-body .x-note")).to_contain_text("no model is loaded")
    expect(page.get_by_role("button", name="Replay", exact=True)).to_have_count(0)
    loads(page)
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator("#x-replay .x-good")).to_have_text("All 8 tokens are the same.")
    assert len(own_site.chat.models.slots()) == 1 and own_site.chat.models.copies.all() == []


@pytest.mark.parametrize("view", ["prompt", "probabilities"])
def test_a_view_goes_on_by_itself(page: Page, view: str) -> None:
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    page.locator(f"#xray-tab-{view}").click()
    loads(page)
    expect(page.locator(SHOWN[view]).first).to_be_visible()
    expect(page.locator("#xray-body .x-why")).to_have_count(0)


def test_a_load_that_fails_says_why_where_it_was_asked_for_and_can_be_asked_for_again(page: Page, own_site: Site) -> None:
    folder = Path(own_site.chat.models.first.settings.model)
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    page.locator("#xray-tab-probabilities").click()
    away = folder.rename(folder.with_name("away"))
    try:
        loads(page)
        expect(page.locator("#xray-body .x-why")).to_contain_text("was not found")
    finally:
        away.rename(folder)
    loads(page)
    expect(page.locator(SHOWN["probabilities"]).first).to_be_visible()


def test_what_another_view_said_without_the_model_is_asked_again(page: Page) -> None:
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    page.locator("#xray-tab-card").click()
    expect(page.locator("#xray-body .x-note")).to_contain_text("no model is loaded")
    page.locator("#xray-tab-probabilities").click()
    loads(page)
    expect(page.locator(SHOWN["probabilities"]).first).to_be_visible()
    page.locator("#xray-tab-card").click()
    expect(page.get_by_role("button", name="Replay", exact=True)).to_be_visible(timeout=5000)
