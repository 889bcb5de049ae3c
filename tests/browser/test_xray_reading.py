"""X-ray as somebody reads it who sees it for the first time: words explain themselves, what was asked for stands where it was asked."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from tests.browser.test_xray import drawer, llama_site, show, talk

__all__ = ["drawer", "llama_site", "talk"]


def test_a_term_explains_itself_by_mouse_keyboard_and_touch(drawer: Page) -> None:
    show(drawer, "probabilities")
    term, tip = drawer.locator('#xray-body [data-term="perplexity"]').first, drawer.locator("#x-tip")
    term.hover()
    expect(tip).to_contain_text("equally likely tokens")
    drawer.mouse.move(5, 5)
    expect(tip).to_be_hidden()
    term.focus()
    expect(tip).to_be_visible()
    assert term.get_attribute("aria-describedby") == "x-tip"
    drawer.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    expect(drawer.locator("#xray")).to_be_visible()
    drawer.locator("#xray-tab-probabilities").focus()
    term.dispatch_event("click")  # what a tap ends in
    expect(tip.get_by_role("link", name="Glossary")).to_have_attribute("href", "./glossary#perplexity")


def test_the_glossary_holds_what_x_ray_explains(drawer: Page, llama_site: Site) -> None:
    drawer.goto(f"{llama_site.url}/glossary#perplexity")
    expect(drawer.locator("#perplexity")).to_contain_text("equally likely tokens")
    expect(drawer.locator("#perplexity")).to_be_in_viewport()


def inside(page: Page, part: str) -> bool:
    """Is it in the window, and not under what is known of the token?"""
    return page.evaluate(
        "(part) => { const at = document.querySelector(part).getBoundingClientRect();"
        " const over = document.elementFromPoint(at.left + at.width / 2, at.top + at.height / 2);"
        " return at.bottom <= innerHeight && at.top >= 0 && !!over?.closest(part); }",
        part,
    )


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_the_detail_of_a_token_is_in_sight_of_it_in_a_long_reply(talk: Callable[..., Page], size: tuple[int, int]) -> None:
    page = talk(tokens=400)
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    show(page, "probabilities")
    for _ in range(2):
        page.locator("#xray-body .x-cell").nth(300).click()
        expect(page.locator("#x-detail h3")).to_contain_text("Token 3")
        assert inside(page, ".x-cell.chosen") and inside(page, "#x-detail h3")
    before = page.locator("#x-detail").get_attribute("data-at")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#x-detail")).not_to_have_attribute("data-at", before)
    page.keyboard.press("End")
    expect(page.locator("#x-detail h3")).to_contain_text("Token 400")
    assert inside(page, ".x-cell.chosen")


def test_bertviz_takes_what_fits_and_says_so_beside_its_button(talk: Callable[..., Page]) -> None:
    pytest.importorskip("bertviz")
    page = talk(tokens=80)
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    show(page, "attention")
    page.get_by_text("The tutorial's bertviz views").click()
    page.get_by_role("button", name="Head view").click()
    said = page.locator('.x-here[data-question="tutorial"]')
    expect(said).to_contain_text("The last 64 of", timeout=60_000)
    expect(page.frame_locator('iframe[title="bertviz head view"]').locator("svg").first).to_be_visible()
    page.get_by_label("from token").fill("9999")
    page.get_by_role("button", name="Head view").click()
    expect(said.get_by_role("alert")).to_contain_text("Tokens 9999 to")


def test_a_token_of_the_reply_is_chosen_for_its_row_of_attention(drawer: Page) -> None:
    show(drawer, "attention")
    drawer.locator(".x-text-heat .x-cell").nth(6).click()
    first = drawer.locator(".x-told").inner_text()
    drawer.keyboard.press("ArrowRight")
    expect(drawer.locator(".x-told")).not_to_have_text(first)
    assert drawer.locator(".x-text-heat .x-cell").nth(0).evaluate("(cell) => Number(cell.style.getPropertyValue('--heat'))") > 0
    drawer.get_by_label("without the first token").check()
    expect(drawer.locator(".x-text-heat .x-cell.chosen")).to_have_count(1)
    assert drawer.locator(".x-text-heat .x-cell").nth(0).evaluate("(cell) => Number(cell.style.getPropertyValue('--heat'))") == 0
    drawer.get_by_role("button", name="Zoom in").click()
    assert drawer.locator(".x-window").evaluate("(box) => box.scrollWidth > box.clientWidth")


def test_the_picture_of_the_layers_is_whole(drawer: Page) -> None:
    show(drawer, "layers")
    wide = drawer.locator("#xray-body .x-scroll").first
    drawer.set_viewport_size({"width": 500, "height": 700})
    across = wide.evaluate("(box) => box.scrollWidth")
    assert across > wide.evaluate("(box) => box.clientWidth")
    with drawer.expect_download() as saved:
        drawer.get_by_role("button", name="Save this view as PNG").click()
    picture = Path(saved.value.path()).read_bytes()
    assert int.from_bytes(picture[16:20]) >= 2 * across


def test_all_tabs_are_seen_beside_the_chat(drawer: Page) -> None:
    drawer.locator("#xray-tab-card").click()
    assert drawer.locator(".x-tabs").evaluate("(tabs) => tabs.scrollWidth <= tabs.clientWidth")


def test_what_the_browser_draws_is_dark_where_the_page_is(talk: Callable[..., Page]) -> None:
    page = talk("/?__theme=dark")
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    show(page, "attention")
    assert page.locator(".x-switch input").evaluate("(box) => getComputedStyle(box).colorScheme") == "dark"
