"""A grid's judge on the page Compare: its numbers under each reply, why a reply was not judged, and judging what is left."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, tab
from tests.fixtures.engine import engine

GRID = """
prompts: [Where is Paris]
columns: [{name: cold, temperature: 0, max_tokens: 8}, {name: hot, temperature: 1.5, max_tokens: 8, seed: 3}]
judge: JUDGE
"""


@pytest.fixture(scope="module")
def shelf(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app over a real model."""
    data = tmp_path_factory.mktemp("judged")
    models = ModelManager(Settings(model=str(tiny_llama), data_dir=data, threads=1, dtype="float32"))
    with launched(engine(), data, models=models) as site:
        models.start()
        yield site
    models.close()


@pytest.fixture
def page(context: BrowserContext, shelf: Site) -> Page:
    return tab(context, f"{shelf.url}/compare", "#c-run")


def run(page: Page, judge: str) -> None:
    grid = GRID.replace("JUDGE", judge).encode()
    page.locator("input[type=file]").set_input_files({"name": "g.yaml", "mimeType": "application/yaml", "buffer": grid})
    expect(page.get_by_label("Judged by")).to_have_value(judge)
    page.get_by_role("button", name="Run", exact=True).click()


def test_what_could_not_be_judged_says_why_and_is_judged_when_it_can_be(page: Page, tiny_llama: Path, tmp_path: Path) -> None:
    judge = tmp_path / "judge"
    run(page, str(judge))
    state, cell = page.locator(".c-bar").get_by_role("status"), page.get_by_role("cell", name="hot, prompt 1")
    expect(state).to_have_text(re.compile("^2 replies · 2 not judged$"))
    expect(cell).to_contain_text(re.compile("Not judged: .*judge"))
    expect(page.get_by_role("columnheader", name="Perplexity")).to_have_count(0)
    words = cell.locator(".markdown").inner_text()
    page.reload()
    expect(cell).to_contain_text("Not judged: ")
    shutil.copytree(tiny_llama, judge)
    page.get_by_role("button", name="Judge the others").click()
    expect(state).to_have_text("2 replies")
    expect(cell.locator(".c-facts").first).to_contain_text(re.compile(r"perplexity \d"))
    expect(page.get_by_text("Not judged")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Perplexity")).to_be_visible()
    expect(page.get_by_role("button", name="Judge the others")).to_have_count(0)
    assert cell.locator(".markdown").inner_text() == words, "no reply was made again"


def test_a_judge_is_chosen_in_the_form_and_a_wrong_name_is_refused(page: Page) -> None:
    run(page, "nowhere")
    expect(page.get_by_role("alert")).to_contain_text("The judge: There is no model 'nowhere' here")
    judge = page.get_by_label("Judged by")
    judge.select_option(index=1)
    page.get_by_role("button", name="Run", exact=True).click()
    for column in ("cold", "hot"):
        expect(page.get_by_role("cell", name=f"{column}, prompt 1").locator(".c-facts").first).to_contain_text("perplexity")
