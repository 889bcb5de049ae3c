"""The page Compare in Chromium: from the form to what made the difference, and on as a chat."""

import asyncio
import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Site, first_held, send, settled


@pytest.fixture
def page(context: BrowserContext, site: Site) -> Page:
    made = context.new_page()
    made.goto(f"{site.url}/compare")
    expect(made.get_by_role("button", name="Run", exact=True)).to_be_visible()
    return made


def run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".c-table")).to_be_visible()


def test_from_the_form_over_a_reload_to_a_chat(page: Page, site: Site) -> None:
    site.say("The ", "sea ", "is ", "**blue**")
    site.engine.hold = asyncio.Event()
    page.get_by_label("One prompt a line").fill("First?\nSecond?")
    page.get_by_role("button", name="Add a check").click()
    page.get_by_label("What is checked for").fill("blue")
    run(page)
    expect(page.get_by_role("status").filter(has_text="0 of 4 replies")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    site.engine.hold.set()
    expect(page.get_by_role("heading", name="What made the difference")).to_be_visible()
    cell = page.get_by_role("cell", name="hot, prompt 2")
    expect(cell.locator("strong")).to_have_text("blue")
    expect(cell).to_contain_text("✓ passes")
    expect(cell).to_contain_text("The same words as cold.")
    expect(page.get_by_role("columnheader", name=re.compile("^cold"))).to_contain_text("100 % pass")
    with page.expect_download() as download:
        page.get_by_role("link", name="JSONL").click()
    rows = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert [row["reply"] for row in rows] == ["The sea is **blue**"] * 4
    page.get_by_role("button", name="Continue as chat: hot, prompt 2").click()
    expect(page.locator("#bot .bot-row")).to_contain_text("The sea is blue")
    expect(page.locator("#bot")).to_contain_text("Second?")


def test_replies_columns_and_the_grid_are_copied_as_code(page: Page, site: Site) -> None:
    page.get_by_label("One prompt a line").fill("Who?")
    run(page)
    page.get_by_role("button", name="Copy as code: hot, prompt 1").click()
    page.get_by_role("button", name="Copy the script").click()
    expect(page.locator(".toast")).to_contain_text("The script is copied")
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), { id: 'paste' }))")
    page.locator("#paste").focus()
    page.keyboard.press("Control+V")
    assert "'content': 'Who?'" in page.locator("#paste").input_value() and "model.generate(" in page.locator("#paste").input_value()
    for opener, button, name in [
        ("Copy as code: column cold", "Download the script", "column.py"),
        ("The grid as code", "Download the notebook", "grid.ipynb"),
    ]:
        page.get_by_role("button", name=opener).click()
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == name and "Who?" in download.value.path().read_text()


def test_what_the_server_refuses_is_said_and_nothing_typed_is_lost(page: Page) -> None:
    page.get_by_label("Temperature").first.fill("warm")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Temperature is 'warm'")
    page.reload()
    expect(page.get_by_label("Temperature").first).to_have_value("warm")


def test_the_places_where_replies_part_are_marked(page: Page, site: Site) -> None:
    site.say("one ", "two ", "three")
    page.get_by_label("One prompt a line").fill("Count.")
    page.get_by_label("Max tokens").nth(1).fill("2")
    run(page)
    expect(page.get_by_role("cell", name="cold, prompt 1").locator("mark")).to_have_text("three")
    expect(page.get_by_role("cell", name="hot, prompt 1")).to_contain_text("Parts from cold at token 3.")


def test_a_stopped_column_is_known_to_a_page_that_comes_back(page: Page, site: Site) -> None:
    site.engine.hold = asyncio.Event()
    run(page)
    page.get_by_role("button", name="Stop hot").click()
    for _ in range(2):
        expect(page.get_by_role("button", name="Stop hot")).to_be_hidden()
        expect(page.get_by_role("cell", name="hot, prompt 3")).to_have_text("not made")
        expect(page.get_by_role("button", name="Stop cold")).to_be_visible()
        page.reload()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
    site.engine.hold.set()


def test_nothing_runs_while_a_chosen_file_is_read(page: Page) -> None:
    held: list[Route] = []
    page.route("**/ui/compare-open", lambda route: held.append(route))
    page.locator("input[type=file]").set_input_files({"name": "g.yaml", "mimeType": "application/yaml", "buffer": b"no grid: ["})
    asked = first_held(page, held)
    expect(page.locator("#c-run")).to_be_disabled()
    asked.continue_()
    expect(page.locator("#c-error")).to_contain_text("no YAML")
    expect(page.locator("#c-run")).to_be_enabled()


def test_a_grid_is_opened_edited_and_deleted(page: Page, site: Site) -> None:
    grid = "{prompts: [Uno], replicas: 2, columns: [{name: x, max_tokens: 9}, {name: y, sweep: {temperature: [0, 1]}}]}"
    page.locator("input[type=file]").set_input_files({"name": "g.yaml", "mimeType": "application/yaml", "buffer": grid.encode()})
    expect(page.get_by_label("One prompt a line")).to_have_value("Uno")
    expect(page.get_by_label("Values")).to_have_value("0, 1")
    run(page)
    expect(page.locator(".c-table thead th b")).to_have_text(["x", "y [temperature=0]", "y [temperature=1]"])
    pager = page.get_by_role("cell", name="x, prompt 1")
    expect(pager).to_contain_text("Reply 1 of 2")
    pager.get_by_role("button", name="Next reply").click()
    expect(pager).to_contain_text("Reply 2 of 2")
    page.get_by_role("button", name="Delete").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#c-runs")).to_contain_text("None yet.")


def test_a_phone_scrolls_the_tables_alone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.reload()
    page.get_by_label("One prompt a line").fill("Small?")
    run(page)
    name = page.get_by_role("rowheader", name="cold")
    expect(name).to_be_visible()
    assert name.bounding_box()["height"] < 60 and page.evaluate("document.querySelector('.sheet').scrollWidth <= innerWidth")


def test_a_cell_that_fails_says_why(page: Page, site: Site) -> None:
    site.engine.fail_after = 1
    page.get_by_label("One prompt a line").fill("Will it?")
    run(page)
    expect(page.get_by_role("cell", name="cold, prompt 1")).to_contain_text("Something broke while the model was writing")
    site.engine.fail_after = None
    page.get_by_role("button", name="Try again what failed").click()
    expect(page.get_by_role("cell", name="hot, prompt 1").locator(".markdown")).to_contain_text("Hello world")


def test_a_reply_of_a_chat_is_compared(visit: Callable[..., Page], site: Site) -> None:
    page = visit()
    send(page, "How far?")
    settled(page)
    page.get_by_role("button", name="Compare with other settings").click()
    expect(page.get_by_label("One prompt a line")).to_have_value("How far?")
    expect(page.get_by_label("Temperature", exact=True)).to_have_count(2)
    page.get_by_role("button", name="Bring back what was there").click()
    expect(page.get_by_label("One prompt a line")).to_have_value(re.compile("^What is the capital"))


def test_a_reply_of_a_chat_is_copied_as_code(visit: Callable[..., Page], site: Site) -> None:
    page = visit()
    send(page, "How deep?")
    settled(page)
    page.get_by_role("button", name="Copy as code").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the notebook").click()
    cells = json.loads(download.value.path().read_text())["cells"]
    assert any("How deep?" in line for cell in cells for line in cell["source"])
