"""The browser's part of `--compare`: its processor time for six columns that are written at once, beside that for one chat's reply."""

from typing import TYPE_CHECKING

from chatapp.bench.page import END, browser_seconds, chromium, ours, say
from chatapp.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

COLUMNS = 6
QUESTION = "What does the clock say?"
GRID = f"prompts: ['{QUESTION}']\ncolumns:\n" + "".join(f"  - {{name: c{n}, temperature: 0.{n + 1}}}\n" for n in range(COLUMNS))
RESTED = 1500
"""Milliseconds after which a new page has nothing more to do."""

ALL_SHOWN = f"() => document.querySelector('#compare').innerText.split('{END}').length > {COLUMNS}"


def against_a_chat(settings: Settings, repeats: int) -> list[float]:
    """The ratio of each repeat; each page in a browser of its own. Raises ChatError with what to install."""
    ratios = []
    with ours(settings, COLUMNS) as (url, _, entry):
        for _ in range(repeats):
            with chromium() as browser:
                chat = seconds_of_chat(browser.new_page(), url, entry)
            with chromium() as browser:
                ratios.append(seconds_of_columns(browser.new_page(), url) / chat)
    return ratios


def seconds_of_chat(page: "Page", url: str, entry: str) -> float:
    page.goto(url)
    page.locator(entry).wait_for()
    page.wait_for_timeout(RESTED)
    before = browser_seconds()
    say(page, entry, QUESTION, page.get_by_text(END).first)
    return browser_seconds() - before


def seconds_of_columns(page: "Page", url: str) -> float:
    page.goto(f"{url}/compare")
    page.locator("#c-run").wait_for()
    page.wait_for_timeout(RESTED)
    page.locator("input[type=file]").set_input_files({"name": "grid.yaml", "mimeType": "application/yaml", "buffer": GRID.encode()})
    page.locator(".c-card").nth(COLUMNS - 1).wait_for()
    page.wait_for_timeout(RESTED)
    before = browser_seconds()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function(ALL_SHOWN, polling=500)
    return browser_seconds() - before
