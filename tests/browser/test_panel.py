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
    page.locator('.panel-top [data-do="fold-right"]').click()
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
    page.locator("#preset").select_option("Brief")
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
    expect(page.locator("#knob-max_tokens input[type=number]")).to_have_attribute("max", "256")
    for key, value in (("Home", "1"), ("End", "256")):
        page.locator("#knob-max_tokens input[type=range]").press(key)
        expect(page.locator("#knob-max_tokens input[type=number]")).to_have_value(value)
    slide(page, "max_tokens", "512")
    expect(page.locator(".toast")).to_contain_text("Max tokens goes from 1 to 256; 512 became 256.")
    send(page, "hi")
    expect(page.locator("#bot .bot-row")).to_contain_text("Hello world")
    assert site.engine.samplings[-1].max_tokens < 256


def test_the_slider_of_max_tokens_doubles_and_the_box_is_exact(page: Page, site: Site) -> None:
    slider, box = page.locator("#knob-max_tokens input[type=range]"), page.locator("#knob-max_tokens input[type=number]")
    expect(box).to_have_attribute("max", "2048")
    for key, value in (("ArrowLeft", "384"), ("ArrowLeft", "256"), ("Home", "1"), ("End", "2048")):
        slider.press(key)
        expect(box).to_have_value(value)
        expect(slider).to_have_attribute("aria-valuetext", value)
    slide(page, "max_tokens", "777")
    expect(slider).to_have_attribute("aria-valuetext", "777")
    send(page, "hi")
    settled(page)
    assert site.engine.samplings[-1].max_tokens == 777


LIGHT = """slider => {
  const sum = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).reduce((all, one) => all + Number(one), 0);
  return getComputedStyle(slider).backgroundImage.match(/rgba?\\([^)]*\\)/g).map(sum);
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_filled_part_of_a_slider_stands_out_from_the_empty_one(visit: Callable[..., Page], theme: str) -> None:
    filled, empty = visit(f"/?__theme={theme}").locator("#knob-temperature input[type=range]").evaluate(LIGHT)
    assert filled - empty > 150 if theme == "dark" else empty - filled > 150


def test_more_says_when_folded_how_much_in_it_is_changed_and_a_setting_goes_back_by_a_click(page: Page) -> None:
    head = page.locator("#more-head button")
    expect(head).to_have_text("More")
    open_more(page)
    slide(page, "min_p", "0.1")
    page.locator("#seed input").fill("4")
    head.click()
    expect(page.locator("#more")).to_be_hidden()
    expect(head).to_have_text("More · 2 changed")
    head.click()
    page.locator("#knob-min_p .reset").click()
    expect(page.locator("#knob-min_p input[type=number]")).to_have_value("0")
    expect(page.locator("#knob-min_p .reset")).to_be_hidden()
    expect(head).to_have_text("More · 1 changed")


def test_seed_stop_strings_and_an_unsent_system_prompt_belong_to_their_chat(page: Page, site: Site) -> None:
    seed, stop, system = page.locator("#seed input"), page.locator("#stop-strings textarea"), page.locator("#system textarea")
    open_more(page)
    seed.fill("42")
    stop.fill("END")
    send(page, "one")
    settled(page)
    system.fill("Not sent yet.")
    page.get_by_role("button", name="New chat").click()
    for field in (seed, stop, system):
        expect(field).to_have_value("")
    send(page, "two")
    settled(page)
    assert site.engine.samplings[-1].seed != 42 and site.engine.samplings[-1].stop == ()
    page.locator("#conversations .open", has_text="one").click()
    expect(seed).to_have_value("42")
    page.reload()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    for field, value in ((seed, "42"), (stop, "END"), (system, "Not sent yet.")):
        expect(field).to_have_value(value)
    expect(page.locator("#right h3")).to_contain_text(["for this chat", "for all chats", "for this chat"])


def test_a_version_that_a_seed_repeats_says_so_and_can_be_drawn_without(page: Page, site: Site) -> None:
    open_more(page)
    page.locator("#seed input").fill("42")
    send(page, "hi")
    settled(page)
    page.get_by_role("button", name="Regenerate").click()
    notice = page.locator(".toast", has_text="word for word the old one: seed 42 is set")
    expect(notice).to_be_visible()
    notice.get_by_role("button", name="Empty it and regenerate").click()
    settled(page)
    expect(page.locator("#bot .versions")).to_contain_text("3/3")
    expect(page.locator("#seed input")).to_have_value("")
    assert [used.seed == 42 for used in site.engine.samplings[-3:]] == [True, True, False]
    expect(page.locator(".toast")).to_have_count(0)


def name_shown(page: Page) -> str:
    return page.locator("#preset").evaluate("select => select.selectedOptions[0].text")


def test_the_name_of_a_preset_is_that_of_the_text(page: Page) -> None:
    system = page.locator("#system textarea")
    assert name_shown(page) == "None"
    page.locator("#preset").select_option("Teacher")
    system.press("End")
    system.type(" Now.")
    assert name_shown(page) == "Custom"
    page.locator("#preset").select_option("Brief")
    send(page, "hi")
    settled(page)
    page.get_by_role("button", name="New chat").click()
    expect(system).to_have_value("")
    assert name_shown(page) == "None"
    page.locator("#conversations .open").click()
    expect(system).not_to_have_value("")
    assert name_shown(page) == "Brief"
    page.reload()
    expect(system).not_to_have_value("")
    assert name_shown(page) == "Brief"


def test_a_preset_takes_the_place_of_own_words_only_with_a_way_back(page: Page) -> None:
    system, undo = page.locator("#system textarea"), page.locator(".toast").get_by_role("button", name="Undo")
    system.fill("My own words.")
    page.locator("#preset").select_option("Brief")
    undo.click()
    expect(system).to_have_value("My own words.")
    assert name_shown(page) == "Custom"
    page.locator("#preset").select_option("Brief")
    page.locator("#preset").select_option("Editor")  # no words of one's own
    undo.click()
    expect(system).to_have_value("My own words.")
    page.locator("#preset").select_option("Brief")
    page.get_by_role("button", name="New chat").click()
    expect(undo).to_have_count(0)


def preset_menu(page: Page, item: str) -> None:
    page.get_by_role("button", name="Presets of your own").click()
    page.get_by_role("menuitem", name=item).click()


def name_preset(page: Page, name: str) -> None:
    page.get_by_label("Name of the preset").fill(name)
    page.get_by_label("Name of the preset").press("Enter")


def test_own_presets_are_saved_renamed_and_deleted_and_kept_in_the_browser(page: Page) -> None:
    system = page.locator("#system textarea")
    page.get_by_role("button", name="Presets of your own").click()
    expect(page.get_by_role("menuitem", name="Save")).to_be_disabled()
    page.keyboard.press("Escape")
    system.fill("Talk like a pirate.")
    preset_menu(page, "Save")
    name_preset(page, "Brief")
    expect(page.locator(".toast")).to_contain_text("Brief is a preset that comes with the app")
    name_preset(page, "Pirate")
    assert name_shown(page) == "Pirate"
    page.reload()
    expect(system).to_have_value("Talk like a pirate.")
    assert name_shown(page) == "Pirate"
    preset_menu(page, "Rename Pirate")
    name_preset(page, "Corsair")
    assert name_shown(page) == "Corsair"
    page.locator("#preset").select_option("None")
    page.locator("#preset").select_option("Corsair")
    expect(system).to_have_value("Talk like a pirate.")
    preset_menu(page, "Delete Corsair")
    assert name_shown(page) == "Custom"
    page.locator(".toast", has_text="was deleted").get_by_role("button", name="Undo").click()
    assert name_shown(page) == "Corsair"
