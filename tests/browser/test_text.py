"""Any text in Chromium: pasted, cut by two models, and seen through them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.engines.direct.engine import DirectEngine
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, tab
from tests.browser.test_page_guards import faults
from tests.directs import endless
from tests.encoders import make_encoder


@pytest.fixture(scope="module")
def shelf(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app over a tiny model, with a base model in its data folder."""
    data = tmp_path_factory.mktemp("shelf")
    shutil.copytree(tiny_gpt2, data / "models" / "base")
    make_encoder(data / "models" / "reader")
    engine = DirectEngine(endless(tiny_llama), Settings(threads=1))
    models = ModelManager.of(engine, Settings(model=str(tiny_llama), data_dir=data))
    with launched(engine, data, models=models) as site:
        yield site
    engine.close()


def opened(context: BrowserContext, site: Site, query: str = "") -> Page:
    return tab(context, f"{site.url}/text{query}", "#text-body > *")


def looked(page: Page, text: str) -> None:
    page.get_by_label("A text", exact=True).fill(text)
    page.get_by_role("button", name="Look").click()


def test_a_text_is_cut_by_two_models_that_are_in_the_address(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf)
    page.get_by_label("beside").select_option(label="base")
    looked(page, "hello world")
    expect(page.locator("#text-body h3")).to_have_text([shelf.engine.info.model, "base", "The two plain ways beside"])
    cells = page.get_by_role("group", name="The text as base cuts it").locator(".x-cell")
    expect(cells).to_have_text(["he", "llo", " world"])
    cells.last.click()
    expect(page.locator("#text-body")).to_contain_text("Ġworld")
    expect(page.locator("#text-body")).to_contain_text("Cut by characters: 11 pieces")
    expect(page.locator("#text-body")).to_contain_text("Cut by words: 2 pieces")
    assert "with=" in page.url
    page.reload()
    expect(page.get_by_label("beside")).to_have_value(str(shelf_place(shelf)))


def test_what_was_typed_and_chosen_is_there_again(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf)
    page.get_by_label("beside").select_option(label="base")
    page.get_by_label("A text", exact=True).fill("only typed")
    page.reload()
    expect(page.get_by_label("A text", exact=True)).to_have_value("only typed")
    again = opened(context, shelf)
    expect(again.get_by_label("A text", exact=True)).to_have_value("only typed")
    expect(again.get_by_label("beside")).to_have_value(str(shelf_place(shelf)))
    alone = opened(context, shelf, "?model=base")
    expect(alone.locator("[name=one]")).to_have_value(str(shelf_place(shelf)))
    expect(alone.get_by_label("beside")).to_have_value("")


def test_a_text_that_is_too_long_is_refused_with_the_numbers(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf)
    looked(page, "x" * 2001)
    expect(page.locator("#text-count")).to_have_text("2,001 of at most 2,000 characters")
    expect(page.locator("#text-body [role=alert]")).to_contain_text("this one has 2,001")


def test_a_model_leads_to_the_page_and_it_fits_a_phone(context: BrowserContext, shelf: Site) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{shelf.url}/models")
    page.get_by_role("link", name="base").click()
    page.get_by_role("link", name="Try a text").click()
    expect(page.locator("#text-body h3").first).to_have_text("base")
    assert page.evaluate("document.querySelector('.sheet').scrollWidth <= document.querySelector('.sheet').clientWidth")


def shelf_place(site: Site) -> Path:
    return site.chat.models.settings.data_dir.resolve() / "models" / "base"


def test_every_tab_shows_two_models_and_one_that_is_not_loaded_is_offered(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf, "?with=base")
    looked(page, "The capital of France is Paris.")
    page.get_by_role("tab", name="By layer").click()
    expect(page.locator("#text-body [role=alert]")).to_contain_text("base is not loaded. It takes")
    page.get_by_role("button", name="Load base").click()
    expect(page.locator("#text-body .t-panel")).to_have_count(4)
    expect(page.locator("#text-body .t-words")).to_contain_text("what changes most is attention on", timeout=60_000)
    expect(page.locator("#text-body .t-panel polyline")).to_have_count(8)
    expect(page.get_by_role("region", name="base by layer").locator("tbody tr")).to_have_count(3)
    expect(page.get_by_label("beside").locator("option:checked")).to_have_text("base (loaded)")
    page.get_by_role("tab", name="Attention").click()
    expect(page.locator("#text-body .x-matrix")).to_have_count(2)
    page.get_by_role("tab", name="Layers").click()
    expect(page.locator("#text-body .x-lens")).to_have_count(2)
    page.get_by_role("tab", name="Neighbours").click()
    chosen = page.locator("#text-body .x-cell.chosen")
    expect(chosen).to_have_text([" capital", " capital"])
    page.get_by_role("group", name="Choose a token of base").locator(".x-cell", has_text="Paris").click()
    expect(chosen).to_have_text([" Paris", " Paris"])
    page.get_by_role("tab", name="bertviz").click()
    expect(page.locator("#text-body iframe")).to_have_count(2)
    page.get_by_role("button", name="Model view").click()
    expect(page.get_by_role("button", name="Model view")).to_have_attribute("aria-pressed", "true")
    assert "view=bertviz" in page.url


def test_an_encoder_sees_both_ways_and_is_said_to(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf, "?model=reader&view=depth")
    expect(page.locator("#text-body [role=alert]")).to_contain_text("It is an encoder and takes")
    page.get_by_role("button", name="Load reader").click()
    expect(page.locator("#text-body .t-panel")).to_have_count(6)
    expect(page.locator("#text-body")).to_contain_text("sees both ways")
    page.get_by_role("tab", name="Attention").click()
    expect(page.locator("#text-body .x-matrix")).to_have_count(1)
    cells = page.get_by_role("group", name="The text: choose a token").locator(".x-cell")
    expect(cells.first).to_have_text("[CLS]")
    cells.first.click()
    expect(page.locator("#text-body .x-told")).to_contain_text("“[CLS]” looks at")
    assert page.locator("#text-body .x-told").inner_text().count("%") == 3, "the first token sees others, which stand behind it"
    page.get_by_role("tab", name="Layers").click()
    expect(page.locator("#text-body")).to_contain_text("An encoder writes no next token")


@pytest.mark.parametrize("view", ["tokens", "attention", "layers", "neighbours", "depth"])
def test_axe_finds_nothing_in_a_tab(context: BrowserContext, shelf: Site, view: str) -> None:
    page = opened(context, shelf, f"?view={view}")
    expect(page.locator("#text-status")).to_be_hidden()
    expect(page.locator("#text-body [role=alert]")).to_have_count(0)
    assert faults(page) == []
