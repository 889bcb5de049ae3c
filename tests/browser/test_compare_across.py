"""Two replies side by side on the page Compare: real models, read through both columns."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched
from tests.browser.test_page_guards import faults
from tests.fixtures.engine import engine

GRID = """
prompts: [Where is Paris]
columns:
  - {name: cold, temperature: 0, max_tokens: 12}
  - {name: hot, temperature: 1.5, top_k: 3, max_tokens: 12, seed: 3}
  - {name: twin, temperature: 0, max_tokens: 12}
  - {name: base, model: BASE, temperature: 0, max_tokens: 12}
"""


@pytest.fixture(scope="module")
def shelf(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    """An app over a real model, and the folder of one with another tokenizer."""
    from transformers import AutoTokenizer

    data = tmp_path_factory.mktemp("across")
    base = data / "models" / "base"
    shutil.copytree(tiny_gpt2, base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["☃"])
    tokenizer.save_pretrained(base)
    models = ModelManager(Settings(model=str(tiny_llama), data_dir=data, threads=1, dtype="float32"))
    with launched(engine(), data, models=models) as site:
        models.start()
        yield site, base
    models.close()


@pytest.fixture
def page(context: BrowserContext, shelf: tuple[Site, Path]) -> Page:
    """A run of the grid that has ended."""
    site, base = shelf
    page = context.new_page()
    page.goto(f"{site.url}/compare")
    grid = GRID.replace("BASE", str(base)).encode()
    page.locator("input[type=file]").set_input_files({"name": "g.yaml", "mimeType": "application/yaml", "buffer": grid})
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("heading", name="What made the difference")).to_be_visible()
    return page


def beside(page: Page, column: str) -> None:
    page.get_by_role("button", name=f"Side by side: {column} and cold, prompt 1").click()


def test_both_distributions_and_how_likely_each_reply_is_by_keyboard(page: Page) -> None:
    found = faults(page)
    button = page.get_by_role("button", name="Side by side: hot and cold, prompt 1")
    button.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("region", name="hot and cold, prompt 1")
    expect(panel.locator(".c-likely")).to_have_count(2)
    expect(panel.locator(".c-likely").first.locator("thead th")).to_have_text(["read by cold", "read by hot"])
    expect(button).to_have_attribute("aria-expanded", "true")
    cold, hot = panel.locator(".c-candidates").all()
    expect(cold.locator("caption")).to_contain_text(re.compile(r"^cold token \d+ · 1 of "))
    expect(hot.locator("caption")).to_contain_text(" · 3 of ")
    expect(cold.locator(".taken")).to_contain_text("100 %")
    expect(cold.locator(".theirs")).to_contain_text("hot took it")
    expect(hot.locator(".taken")).to_contain_text("taken")
    expect(panel.get_by_role("rowheader", name="Perplexity").first).to_have_attribute("title", re.compile("equally likely"))
    expect(panel.get_by_role("table", name="The reply of hot").get_by_role("row", name="With settings")).to_contain_text("−∞")
    expect(panel).to_contain_text("The numbers of both: the resident float32 weights.")
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")
    assert found == []


def test_the_same_replies_and_the_next_pair_in_its_place(page: Page) -> None:
    beside(page, "twin")
    expect(page.locator(".c-across")).to_contain_text("Both replies have the same tokens.")
    expect(page.locator(".c-candidates")).to_have_count(0)
    beside(page, "hot")
    expect(page.locator(".c-across")).to_have_count(1)
    expect(page.get_by_role("region", name="hot and cold, prompt 1").locator(".c-candidates")).to_have_count(2)
    page.get_by_role("button", name="Close (Esc)").click()
    expect(page.locator(".c-across")).to_have_count(0)


def test_any_two_columns_stand_side_by_side(page: Page) -> None:
    beside(page, "hot")
    panel = page.locator(".c-across")
    expect(panel.locator(".c-likely")).to_have_count(2)
    other = panel.get_by_label("Beside the reply of")
    expect(other.locator("option:disabled")).to_have_text("hot")
    other.focus()
    other.select_option("twin")
    expect(panel.locator(".c-likely caption b")).to_have_text(["twin", "hot"])
    expect(panel).to_have_attribute("aria-label", "hot and twin, prompt 1")
    expect(other).to_be_focused()
    panel.get_by_label("This reply").select_option("cold")
    expect(panel).to_contain_text("Both replies have the same tokens.")
    expect(panel.locator(".c-likely caption b")).to_have_text(["twin", "cold"])
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Side by side: hot and cold, prompt 1")).to_be_focused()


def test_a_model_that_is_not_there_any_more_is_loaded_and_another_tokenizer_compared_by_bytes(page: Page, shelf: tuple[Site, Path]) -> None:
    models = shelf[0].chat.models
    loaded = next(slot.id for slot in models.slots() if slot is not models.first)
    page.evaluate("id => chatapp.post('models-unload', { id })", loaded)
    beside(page, "base")
    panel = page.get_by_role("region", name="base and cold, prompt 1")
    expect(panel.get_by_role("alert")).to_contain_text("is loaded")
    panel.get_by_role("button", name=re.compile("^Load base@")).click()
    expect(panel.locator(".c-likely").first.locator("tbody th")).to_have_text(["Tokens", "Bits per byte", "Tokens cut"])
    expect(panel).to_contain_text("they are compared by bits per byte")
    expect(panel.locator(".c-candidates .theirs")).to_have_count(0)


def test_on_a_phone_the_page_is_not_wider(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    beside(page, "hot")
    panel = page.locator(".c-across")
    expect(panel.locator(".c-likely")).to_have_count(2)
    for table in panel.locator("table").all():
        assert table.bounding_box()["x"] + table.bounding_box()["width"] <= 390, "no number is out of sight"
    box = panel.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and page.evaluate("document.documentElement.scrollWidth <= innerWidth")
