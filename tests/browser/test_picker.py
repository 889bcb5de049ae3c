"""Several models on the page: choosing, loading and unloading one, the model of an old conversation, another model's version."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from transformers import AutoTokenizer

from chatapp.errors import ChatError
from chatapp.models.sources import Source, resolve
from chatapp.models.trained import FOLDER
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, send, settled, tab
from tests.conftest import Scripted
from tests.lab.train.made import write_whole_run
from tests.openers import roomy


@pytest.fixture(scope="module")
def two_site(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Models of any name but org/broken load at once, and answer with their name."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    folder = tmp_path_factory.mktemp("two")
    write_whole_run(folder / FOLDER / ("a" * 32), tiny_gpt2, name="My speeches")

    def find(settings: Settings) -> Source:
        if settings.model == "misspelt":
            raise ChatError("misspelt was not found: looked for a folder and on the Hub.", status=404)
        if settings.model.startswith("/"):
            return resolve(settings.model, data_dir=folder)
        return Source(settings.model, "hub", repo=settings.model)

    def open(source: Source, settings: Settings, progress) -> Scripted:
        if source.name == "org/broken":
            raise ChatError("The file is cut short: 3 of 9 MB.")
        engine = Scripted(tokenizer, words=["I am ", source.name], concurrency=2)
        engine.info = engine.info.__class__(**{**vars(engine.info), "model": source.name, "revision": f"commit of {source.name}"})
        return engine

    models = ModelManager(Settings(model="org/first", data_dir=folder), find=find, open=open, budget=roomy())
    models.start()
    with launched(None, folder, models=models) as site:
        yield site


@pytest.fixture
def page(context: BrowserContext, two_site: Site) -> Page:
    page = context.new_page()
    page.goto(two_site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    expect(page.locator("#picker")).to_be_visible()
    return page


def load(page: Page, name: str) -> None:
    page.locator("#picker").click()
    page.get_by_label("Load another model").fill(name)
    page.get_by_label("Load another model").press("Enter")


def test_a_model_is_loaded_answers_is_remembered_and_unloaded(page: Page) -> None:
    expect(page.locator("#picker")).to_have_text("first")
    send(page, "Who?")
    settled(page)
    expect(page.locator(".bot.message")).to_have_text("I am org/first")
    load(page, "org/second")
    expect(page.locator("#picker")).to_have_text("second")
    send(page, "And now?")
    settled(page)
    expect(page.locator(".bot.message").last).to_have_text("I am org/second")
    expect(page.locator(".facts").last).to_contain_text("second")
    page.reload()
    expect(page.locator("#picker")).to_have_text("second")
    page.locator("#picker").click()
    page.locator('#picker-list [data-id="org/second"]').get_by_role("button", name="Unload").click()
    expect(page.locator('#picker-list [data-id="org/second"] small')).to_have_text("Loads with the first message")
    page.locator('#picker-list [data-id="org/first"] .pick').click()
    expect(page.locator("#picker")).to_have_text("first")
    expect(page.locator("#picker-list")).to_be_hidden()


def test_a_run_that_ended_is_in_the_list_before_it_was_ever_loaded_and_choosing_it_loads_it(page: Page) -> None:
    page.locator("#picker").click()
    page.locator("#picker-own").get_by_role("button", name="My-speeches").click()
    expect(page.locator("#picker")).to_have_text("My-speeches")
    send(page, "Who?")
    settled(page)
    expect(page.locator(".bot.message")).to_have_text("I am My-speeches")
    page.locator("#picker").click()
    expect(page.locator("#picker-list ul").first).to_contain_text("My-speeches")
    expect(page.locator("#picker-own")).to_be_empty()


def test_another_model_writes_a_version_beside_the_first(page: Page) -> None:
    load(page, "org/second")
    expect(page.locator("#picker")).to_have_text("second")
    send(page, "Who?")
    settled(page)
    page.locator(".exchange").hover()
    page.get_by_label("Regenerate with another model").click()
    page.get_by_role("menuitem", name="With first").click()
    expect(page.locator(".versions")).to_have_text("2/2")
    settled(page)
    expect(page.locator(".bot.message")).to_have_text("I am org/first")
    expect(page.locator("#picker")).to_have_text("second")


def test_two_models_answer_at_the_same_moment(page: Page, context: BrowserContext, two_site: Site) -> None:
    load(page, "org/second")
    expect(page.locator("#picker")).to_have_text("second")
    other = tab(context, two_site.url, "body:not(.starting) #message")
    expect(other.locator("#picker")).to_have_text("first")
    engines = [slot.engine for slot in two_site.chat.models.slots() if slot.id in ("org/first", "org/second")]
    for engine in engines:
        engine.hold = asyncio.Event()
    for window in (page, other):
        send(window, "Who?")
    for window, name in ((page, "second"), (other, "first")):
        expect(window.locator(".facts")).to_have_text(name)
    assert [slot.queue.running for slot in two_site.chat.models.slots() if slot.id in ("org/first", "org/second")] == [1, 1]
    for engine in engines:
        engine.hold.set()
        engine.hold = None
    expect(page.locator(".bot.message")).to_have_text("I am org/second")
    expect(other.locator(".bot.message")).to_have_text("I am org/first")


def test_an_old_conversation_offers_the_model_that_it_was_written_with(page: Page, two_site: Site) -> None:
    send(page, "Who?")
    settled(page)
    conversation = page.evaluate("chatapp.view.conversation")
    owner = (
        two_site.store.database.engine.connect().exec_driver_sql("SELECT owner FROM conversations WHERE id = ?", (conversation,)).scalar()
    )
    two_site.store.conversations.choose(owner, conversation, "org/old")
    page.reload()
    expect(page.locator("#own-model")).to_contain_text("This chat was written with org/old.")
    expect(page.locator("#picker")).to_have_text("first")
    page.get_by_role("button", name="Load it").click()
    expect(page.locator("#picker")).to_have_text("old")
    expect(page.locator("#own-model")).to_be_hidden()


def test_a_conversation_of_another_program_offers_nothing_that_cannot_be_loaded(page: Page) -> None:
    asked = {"author": {"role": "user"}, "content": {"parts": ["Who?"]}}
    said = {"author": {"role": "assistant"}, "content": {"parts": ["I am another."]}, "metadata": {"model_slug": "gpt-4"}}
    mapping = {"a": {"parent": None, "message": asked}, "b": {"parent": "a", "message": said}}
    export = json.dumps([{"title": "Old", "mapping": mapping, "current_node": "b"}]).encode()
    expect(page.locator("#standing")).to_have_count(0)  # Gradio has mounted: what moves then may lose its menu
    page.get_by_role("button", name="My conversations").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("menuitem", name="Import a file").click()
    chooser.value.set_files({"name": "conversations.json", "mimeType": "application/json", "buffer": export})
    expect(page.locator("#bot .facts")).to_contain_text("gpt-4")
    expect(page.locator("#own-model")).to_be_hidden()


def test_a_model_that_cannot_be_loaded_says_why_and_leaves_the_first(page: Page) -> None:
    load(page, "org/broken")
    expect(page.locator("#picker-list")).to_be_hidden()  # the server took the name
    page.locator("#picker").click()
    expect(page.locator('#picker-list [data-id="org/broken"] small')).to_have_text("The file is cut short: 3 of 9 MB.")
    page.locator('#picker-list [data-id="org/first"] .pick').click()
    send(page, "Who?")
    settled(page)
    expect(page.locator(".bot.message")).to_have_text("I am org/first")


def test_a_name_that_stands_for_no_model_is_refused_where_it_was_typed(page: Page) -> None:
    load(page, "misspelt")
    expect(page.locator("#picker-list [role=alert]")).to_have_text("misspelt was not found: looked for a folder and on the Hub.")
    expect(page.get_by_label("Load another model")).to_have_value("misspelt")
    expect(page.locator('#picker-list [data-id="misspelt"]')).to_have_count(0)


def test_the_header_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.reload()
    page.locator("#picker").click()
    box = page.locator("#picker-list").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
