"""The page Train fine-tunes a chat model in Chromium: from pairs to a plan, the curve, before and after, the whole model, and Compare."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from transformers import AutoTokenizer

from chatapp.lab.train import history
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, send
from tests.browser.test_page_guards import faults
from tests.conftest import Scripted
from tests.lab.train.made import write_run

RUN, OTHER = "a" * 32, "b" * 32


@pytest.fixture(scope="module")
def school(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app with a tiny chat model in its folder, and two runs of the past."""
    data = tmp_path_factory.mktemp("school")
    shutil.copytree(tiny_llama, data / "models" / "tiny-chat")
    for run in (RUN, OTHER):
        write_run(data / history.FOLDER / run, tiny_gpt2, name="Of the past")
    settings = Settings(data_dir=data, threads=1, device="cpu")
    engine = Scripted(AutoTokenizer.from_pretrained(tiny_llama))
    with launched(engine, data, models=ModelManager.of(engine, settings)) as site:
        yield site


def opened(context: BrowserContext, site: Site, more: str = "") -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/train{more}")
    page.get_by_label("Fine-tune a chat model").check()
    expect(page.get_by_label("Model to fine-tune")).to_be_visible()
    return page


@pytest.mark.slow
def test_from_pairs_to_the_curve_and_before_and_after_in_compare(context: BrowserContext, school: Site, tmp_path: Path) -> None:
    (pairs := tmp_path / "pairs.csv").write_text("prompt,reply\n" + "".join(f"hello {n},I am fine {n}\n" for n in range(20)))
    page = opened(context, school)
    page.get_by_label("Model to fine-tune").select_option(label="tiny-chat")
    page.get_by_label("A file of pairs").set_input_files(pairs)
    expect(page.locator(".r-read")).to_have_text("20 pairs to learn from; a tenth is held out.")
    page.get_by_label("Epochs").fill("4")
    page.get_by_label("Learning rate").fill("0.02")
    page.get_by_role("button", name="Look and plan").click()
    expect(page.locator("#r-plan")).to_contain_text("18 to learn, 2 held out", timeout=90_000)
    expect(page.locator("#r-plan .r-facts")).to_contain_text("s for 4 chats")
    expect(page.locator("#r-plan")).to_contain_text("20 steps")
    assert "I am fine" in "".join(page.locator(".r-tokens .learned").all_inner_texts()).replace("\n", "")
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".r-state")).to_contain_text("done · step 20 of 20", timeout=120_000)
    expect(page.locator(".r-large polyline")).to_have_count(2)
    expect(page.locator(".r-large figcaption")).to_contain_text("nats per token")
    before, after = page.locator(".r-table tr").nth(1).locator("td").all_inner_texts()
    assert float(after) < float(before)
    assert page.locator(".r-shown li").count() == 2
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator(".r-result")).to_contain_text("and on the page Models", timeout=60_000)
    page.get_by_role("button", name="Before and after in Compare").click()
    expect(page.locator(".c-head b")).to_have_text(["before", "after"], timeout=60_000)
    expect(page.locator(".c-state")).to_contain_text("4 replies", timeout=90_000)
    page.goto(f"{school.url}/models")
    expect(page.locator("main, .sheet").first).to_contain_text("-merged")


def test_one_s_own_conversations_are_learned(context: BrowserContext, school: Site) -> None:
    page = context.new_page()
    page.goto(school.url)
    school.say("Fine", " ", "thanks")
    send(page, "How are you?")
    page.wait_for_function("!chatapp.doing && !chatapp.view.running && document.querySelector('#bot .bot-row .bot.message')")
    page = opened(context, school)
    expect(page.locator(".r-chats label")).to_have_text(re.compile("How are you.*1 reply"))
    page.locator(".r-chats input").check()
    expect(page.locator(".r-read")).to_have_text("1 conversation to learn from; a tenth is held out.")
    page.get_by_label("Rank of the adapter").fill("a lot")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#r-error")).to_have_text("Rank: 'a lot' is no whole number from 1 to 512.")


def test_a_run_that_another_tab_renames_or_deletes_says_so(context: BrowserContext, school: Site) -> None:
    page = context.new_page()
    page.goto(f"{school.url}/train#{OTHER}")
    expect(page.locator(".r-top h2")).to_have_text("Of the past")
    place = school.chat.models.settings.data_dir / history.FOLDER / OTHER
    history.update(place, name="Another name")
    expect(page.locator(".r-top h2")).to_have_text("Another name")
    shutil.rmtree(place)
    expect(page.locator("#train .refusal")).to_have_text("The run “Another name” was deleted, in another tab or by a command.")
    page.get_by_role("link", name="All runs").click()
    expect(page.get_by_label("Train a small GPT-2")).to_be_checked()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_and_it_fits_a_phone(theme: str, context: BrowserContext, school: Site) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{school.url}/train?__theme={theme}")
    page.get_by_label("Fine-tune a chat model").check()
    expect(page.get_by_label("Model to fine-tune")).to_be_visible()
    assert page.evaluate("document.querySelector('.sheet').scrollWidth <= document.querySelector('.sheet').clientWidth")
    assert faults(page) == []
