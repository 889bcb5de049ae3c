"""A model's page in Chromium: every file explained, a text cut, a template line by line, the architecture, two models compared."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, launched
from tests.conftest import Scripted


@pytest.fixture(scope="module")
def shelf(tiny_llama: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app with two models in its data folder, one of them with a pickle and a template that breaks out."""
    from transformers import AutoTokenizer

    data = tmp_path_factory.mktemp("shelf")
    shutil.copytree(tiny_llama, data / "models" / "mine")
    shutil.copytree(tiny_gpt2, data / "models" / "other")
    (data / "models" / "other" / "pytorch_model.bin").write_bytes(b"cos\nsystem\n")
    (data / "models" / "other" / "chat_template.jinja").write_text("{{ ().__class__.__mro__ }}<img src=x onerror=alert(1)>")
    with launched(Scripted(AutoTokenizer.from_pretrained(tiny_llama)), data) as site:
        yield site


def opened(context: BrowserContext, site: Site, name: str) -> Page:
    page = context.new_page()
    page.goto(f"{site.url}/models")
    page.get_by_role("link", name=name).click()
    expect(page.locator(".f-about h3")).to_be_visible()
    return page


def pick(page: Page, name: str) -> None:
    page.locator(".f-list button", has=page.get_by_text(name, exact=True)).click()
    expect(page.locator(".f-about h3")).to_contain_text(name)


def test_files_architecture_and_another_model(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf, "mine")
    expect(page.locator(".f-about h3")).to_contain_text("config.json")
    expect(page.locator(".f-lines tr", has_text="num_key_value_heads")).to_contain_text("bytes in 16 bits")
    pick(page, "tokenizer.json")
    page.get_by_label("A text to cut").fill("hello world")
    page.get_by_role("button", name="Cut this text").click()
    expect(page.locator(".f-tokens")).to_contain_text("Ġworld")
    pick(page, "chat_template.jinja")
    page.locator(".f-source li.wrote").first.hover()
    expect(page.locator(".f-template pre .marked").first).to_contain_text("<|im_start|>system")
    pick(page, "model.safetensors")
    expect(page.locator(".f-part summary", has_text="model.layers 0–1 (2 alike)")).to_be_visible()
    page.get_by_role("tab", name="Architecture").click()
    expect(page.locator(".f-does")).to_contain_text("4 heads of 16 numbers", timeout=120_000)
    expect(page.locator(".f-tree")).to_contain_text("LlamaDecoderLayer × 2")
    page.get_by_role("tab", name="Compare").click()
    page.locator("#one-body select").select_option(label="other")
    expect(page.locator(".f-two", has_text="model_type")).to_contain_text("gpt2")


def test_what_is_wrong_with_a_file_is_said_beside_it_and_nothing_runs(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf, "other")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    pick(page, "pytorch_model.bin")
    expect(page.locator(".f-about")).to_contain_text("Not opened: it is a pickle")
    expect(page.locator(".f-list button", has_text="chat_template.jinja")).to_contain_text("problem")
    pick(page, "chat_template.jinja")
    expect(page.locator(".f-about .refusal")).to_contain_text("unsafe")
    pick(page, "special_tokens_map.json")
    expect(page.locator(".f-about")).to_contain_text("No longer written")
    assert dialogs == [] and page.locator(".f-about img").count() == 0


def test_on_a_phone_list_and_explanation_stand_below_one_another(context: BrowserContext, shelf: Site) -> None:
    page = opened(context, shelf, "mine")
    page.set_viewport_size({"width": 390, "height": 844})
    first, second = page.locator(".f-list").bounding_box(), page.locator(".f-about").bounding_box()
    assert second["y"] >= first["y"] + first["height"] and second["width"] <= 390
    assert page.evaluate("document.querySelector('.sheet').scrollWidth <= document.querySelector('.sheet').clientWidth")


def test_a_folder_that_is_not_here_is_a_sentence(context: BrowserContext, shelf: Site) -> None:
    page = context.new_page()
    page.goto(f"{shelf.url}/models#{quote('/nowhere/at all', safe='')}")
    expect(page.locator("#one-body .refusal")).to_contain_text("There is no model")
