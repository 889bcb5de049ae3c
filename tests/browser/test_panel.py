"""The settings panel: what stands there is what the next reply is made with."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, send, settled


def open_more(page: Page) -> None:
    page.locator('[data-do="fold-more"]').click()
    expect(page.locator("#seed textarea, #seed input").first).to_be_visible()


def slide(page: Page, knob: str, value: str) -> None:
    """Type a slider's value into its number box."""
    box = page.locator(f"#knob-{knob} input[type=number]")
    box.fill(value)
    box.press("Tab")


def test_the_settings_stand_beside_the_chat_on_a_wide_screen(page: Page) -> None:
    expect(page.locator("#system textarea")).to_be_visible()
    for knob in ("temperature", "top_p", "top_k", "max_tokens"):
        expect(page.locator(f"#knob-{knob}")).to_be_visible()
    page.locator('#panel-head [data-do="fold-right"]').click()
    expect(page.locator("#system textarea")).to_be_hidden()
    page.reload()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    expect(page.locator("#system textarea")).to_be_hidden()


def test_sliders_and_the_fields_under_more_reach_the_engine(page: Page, site: Site) -> None:
    slide(page, "temperature", "1.3")
    slide(page, "top_p", "0.8")
    slide(page, "top_k", "7")
    slide(page, "max_tokens", "33")
    open_more(page)
    slide(page, "min_p", "0.1")
    slide(page, "repetition_penalty", "1.2")
    page.locator("#seed textarea, #seed input").first.fill("42")
    page.locator("#stop-strings textarea").fill("END\n\\n\\n")
    send(page, "hi")
    settled(page)
    used = site.engine.samplings[-1]
    assert (used.temperature, used.top_p, used.top_k, used.max_tokens) == (1.3, 0.8, 7, 33)
    assert (used.min_p, used.repetition_penalty, used.seed, used.stop) == (0.1, 1.2, 42, ("END", "\n\n"))


TYPED_AT_ONCE = """async () => {
  document.querySelector('[data-do="fold-more"]').click();
  const box = () => document.querySelector("#knob-min_p input[type=number]");
  while (!box()?.checkVisibility()) await new Promise((go) => setTimeout(go));
  box().value = "0.1";
  box().dispatchEvent(new Event("input", { bubbles: true }));
}"""


def test_what_is_typed_in_the_moment_more_opens_stays(page: Page, site: Site) -> None:
    page.evaluate(TYPED_AT_ONCE)
    page.wait_for_timeout(300)
    expect(page.locator("#knob-min_p input[type=number]")).to_have_value("0.1")
    send(page, "hi")
    settled(page)
    assert site.engine.samplings[-1].min_p == 0.1


def test_more_stays_open_for_whoever_opened_it(page: Page) -> None:
    more = page.locator('[data-do="fold-more"]')
    expect(more).to_have_attribute("aria-expanded", "false")
    open_more(page)
    page.reload()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    expect(page.locator("#seed textarea, #seed input").first).to_be_visible()
    expect(more).to_have_attribute("aria-expanded", "true")


def test_the_system_prompt_and_its_presets_reach_the_model(page: Page, site: Site) -> None:
    page.locator("#system textarea").fill("Talk like a pirate.")
    send(page, "hi")
    settled(page)
    assert "Talk like a pirate." in site.engine.tokenizer.decode(site.engine.fed[-1])
    page.locator("#preset input").click()
    page.get_by_role("option", name="Brief").click()
    expect(page.locator("#system textarea")).to_have_value("Answer in at most three sentences. No preamble, no summary.")
    send(page, "again")
    settled(page)
    assert "at most three sentences" in site.engine.tokenizer.decode(site.engine.fed[-1])


def test_a_wrong_seed_is_one_sentence_and_the_message_stays_in_the_box(page: Page, site: Site) -> None:
    open_more(page)
    page.locator("#seed textarea, #seed input").first.fill("abc")
    before = len(site.engine.fed)
    send(page, "do not lose me")
    expect(page.get_by_text("Seed is 'abc'")).to_be_visible()
    expect(page.locator("#message")).to_have_value("do not lose me")
    assert len(site.engine.fed) == before


def test_settings_are_remembered_by_the_browser(page: Page, site: Site) -> None:
    slide(page, "top_k", "11")
    page.wait_for_timeout(500)
    page.reload()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    expect(page.locator("#knob-top_k input[type=number]")).to_have_value("11")


def test_a_short_context_does_not_make_the_page_refuse_everything(
    visit: Callable[..., Page], site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site.engine, "capabilities", replace(site.engine.capabilities, context=256))  # below the default of max tokens
    page = visit()
    expect(page.locator("#knob-max_tokens input[type=range]")).to_have_attribute("max", "256")
    send(page, "hi")
    expect(page.locator("#bot .bot-row")).to_contain_text("Hello world")
    assert site.engine.samplings[-1].max_tokens < 256
