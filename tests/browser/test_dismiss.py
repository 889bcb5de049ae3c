"""A load that failed: it is said where it happened and in the header of every page, dismissed at either, and goes when the model loads."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import launched, send, settled
from tests.browser.test_failed_load import WHY, Disk
from tests.fixtures.engine import engine
from tests.openers import roomy


@pytest.fixture
def disk() -> Disk:
    disk = Disk()
    disk.mended = True
    return disk


@pytest.fixture
def page(context: BrowserContext, disk: Disk, tiny_llama: Path, tiny_gpt2: Path, tmp_path: Path) -> Iterator[Page]:
    """A chat with one model; a second one was asked for in the picker, and its file is broken."""
    models = ModelManager(Settings(model=str(tiny_llama), data_dir=tmp_path), open=disk.open, budget=roomy())
    with launched(engine(), tmp_path, models=models) as site:
        models.start()
        page = context.new_page()
        page.goto(site.url)
        expect(page.locator("#model-line")).to_contain_text("scripted")
        send(page, "Hi")
        settled(page)
        disk.mended = False
        page.locator("#picker").click()
        page.get_by_label("Load another model").fill(str(tiny_gpt2))
        page.get_by_label("Load another model").press("Enter")
        yield page
    models.close()


def test_it_is_said_in_the_chat_and_dismissed_there(page: Page) -> None:
    line = page.locator("#own-model")
    expect(line).to_contain_text(WHY)
    expect(page.locator("#tasks-open")).to_contain_text("failed")
    line.get_by_role("button", name="Dismiss").click()
    expect(line).not_to_contain_text(WHY)
    expect(page.locator("#tasks-open")).to_be_hidden()
    page.locator("#picker").click()
    expect(page.locator("#picker-list .pick")).to_have_count(1)


def test_it_is_dismissed_in_the_header_of_another_page(page: Page) -> None:
    expect(page.locator("#own-model")).to_contain_text(WHY)
    page.goto(page.url.partition("?")[0].rpartition("/")[0] + "/about")
    expect(page.locator("#tasks-open")).to_contain_text("failed")
    page.get_by_role("button", name="Dismiss what failed").click()
    expect(page.locator("#tasks-open, #tasks-away")).to_have_count(2)
    for part in ("#tasks-open", "#tasks-away"):
        expect(page.locator(part)).to_be_hidden()


def test_the_page_models_says_why_and_loads_it_later_and_the_failure_is_gone(page: Page, disk: Disk) -> None:
    expect(page.locator("#own-model")).to_contain_text(WHY)
    page.goto(page.url.partition("?")[0].rpartition("/")[0] + "/models")
    row = page.locator("#loaded .failed")
    expect(row).to_contain_text(WHY)
    disk.mended = True
    row.get_by_role("button", name="Try again").click()
    expect(row).to_have_count(0)
    expect(page.locator("#tasks-away")).to_be_hidden()
    page.locator("#loaded").get_by_role("button", name="Unload").last.click()
    expect(page.locator("#loaded .loaded")).to_have_count(1)
