"""The chat as a person uses it: typed, streamed, stopped, regenerated, edited, continued, reloaded."""

from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site, replies, send, settled

COUNTING = [f"{n} " for n in range(400)]


def test_enter_sends_and_the_reply_arrives_token_by_token(page: Page, site: Site) -> None:
    site.say(*COUNTING[:40], delay=0.05)
    send(page, "count")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("3 ")
    assert "39" not in replies(page)[0]
    settled(page)
    assert replies(page) == ["".join(COUNTING[:40]).strip()]
    assert page.locator("#message").input_value() == ""


def test_the_line_under_a_reply_says_what_happened(page: Page, site: Site) -> None:
    site.say(*COUNTING[:8], delay=0.06)
    send(page, "count")
    settled(page)
    line = page.locator("#bot .bot-row .facts")
    expect(line).to_contain_text("8 tokens")
    expect(line).to_contain_text("tok/s")
    expect(line).to_contain_text("first token")
    expect(line).to_contain_text("finished")


def test_shift_enter_breaks_the_line_and_sends_nothing(page: Page) -> None:
    box = page.locator("#message")
    box.press_sequentially("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    assert box.input_value() == "one\ntwo"
    assert page.locator("#bot .user-row").count() == 0


def test_enter_that_ends_a_composition_does_not_send(page: Page) -> None:
    page.locator("#message").fill("かん")
    for detail in ("isComposing: true", "keyCode: 229"):
        page.evaluate(
            "document.querySelector('#message').dispatchEvent("
            f"new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, cancelable: true, {detail}}}))"
        )
    page.wait_for_timeout(300)
    assert page.locator("#message").input_value() == "かん"
    assert page.evaluate("chatapp.view.leaf") is None


def test_stop_keeps_what_was_shown(page: Page, site: Site) -> None:
    site.say(*COUNTING, delay=0.05)
    send(page, "count")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("4 ")
    page.locator('#send[aria-label="Stop"]').click()
    settled(page)
    shown = replies(page)[0]
    assert shown.startswith("0 1 2 3 4") and len(shown.split()) < 100
    expect(page.locator("#bot .facts")).to_contain_text("stopped by you")


def test_escape_stops(page: Page, site: Site) -> None:
    site.say(*COUNTING, delay=0.05)
    send(page, "count")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("2 ")
    page.keyboard.press("Escape")
    settled(page)
    expect(page.locator("#bot .facts")).to_contain_text("stopped by you")


def test_regenerate_keeps_the_old_version_and_arrows_walk_them(page: Page, site: Site) -> None:
    send(page, "hello")
    settled(page)
    site.say("Second", " version")
    page.get_by_role("button", name="Regenerate").click()
    expect(page.locator("#bot .bot-row")).to_contain_text("Second version")
    expect(page.locator(".versions")).to_contain_text("2/2")
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator(".versions")).to_contain_text("1/2")
    assert replies(page) == ["Hello world"]
    page.get_by_role("button", name="Next version").click()
    expect(page.locator("#bot .bot-row")).to_contain_text("Second version")


def test_edit_asks_again_and_keeps_the_old_question(page: Page, site: Site) -> None:
    send(page, "What is a cat?")
    settled(page)
    site.say("A dog is a dog")
    page.locator("#bot .user-row").hover()
    page.get_by_role("button", name="Edit", exact=True).click()
    box = page.get_by_role("textbox", name="Edit the message")
    expect(box).to_have_value("What is a cat?")
    box.fill("What is a dog?")
    box.press("Enter")
    expect(page.locator("#bot .bot-row")).to_contain_text("A dog is a dog")
    expect(page.locator("#bot .user-row")).to_contain_text("What is a dog?")
    page.get_by_role("button", name="Previous version").click()
    expect(page.locator("#bot .user-row")).to_contain_text("What is a cat?")


def test_escape_leaves_the_editor_without_a_change(page: Page) -> None:
    send(page, "hello")
    settled(page)
    page.locator("#bot .user-row").hover()
    page.get_by_role("button", name="Edit", exact=True).click()
    page.get_by_role("textbox", name="Edit the message").press("Escape")
    expect(page.locator(".editor")).to_have_count(0)
    expect(page.locator("#bot .user-row .user.message")).to_be_visible()


def test_a_cut_reply_is_continued_from_where_it_ended(page: Page, site: Site) -> None:
    site.say("The end", " is", delay=0.02)
    site.engine.words += COUNTING
    page.evaluate("chatapp.fold('right', false)")
    page.locator("#knob-max_tokens input[type=number]").fill("2")
    page.locator("#knob-max_tokens input[type=number]").press("Enter")
    send(page, "go on")
    settled(page)
    expect(page.locator("#bot .facts")).to_contain_text("cut at max tokens")
    site.say(" near", ".")
    page.get_by_role("button", name="Continue", exact=True).click()
    expect(page.locator("#bot .bot-row")).to_contain_text("The end is near.")


def test_versions_offer_their_arrows_instead_of_undo(page: Page) -> None:
    send(page, "Hi")
    settled(page)
    page.get_by_role("button", name="Regenerate").click()
    expect(page.locator(".versions")).to_contain_text("2/2")
    settled(page)
    expect(page.get_by_role("button", name="Undo: take this exchange back")).to_have_count(0)
    expect(page.get_by_role("button", name="Delete", exact=True)).to_be_visible()


def test_undo_takes_the_exchange_back_into_the_box(page: Page) -> None:
    send(page, "first")
    settled(page)
    send(page, "second")
    settled(page)
    page.get_by_role("button", name="Undo: take this exchange back").click()
    expect(page.locator("#bot .user-row")).to_have_count(1)
    expect(page.locator("#message")).to_have_value("second")


def test_a_message_sent_while_a_reply_runs_waits_visibly_and_can_be_taken_back(page: Page, site: Site) -> None:
    site.say(*COUNTING, delay=0.05)
    send(page, "first")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("1 ")
    send(page, "second")
    expect(page.locator("#bot .bot-row .facts").last).to_contain_text("in line")
    page.get_by_role("button", name="Take back").click()
    expect(page.locator("#bot .user-row")).to_have_count(1)
    expect(page.locator("#message")).to_have_value("second")
    expect(page.locator('#send[aria-label="Stop"]')).to_be_visible()
    page.keyboard.press("Escape")
    settled(page)


def test_a_waiting_message_is_answered_when_its_turn_comes(page: Page, site: Site) -> None:
    site.say(*COUNTING[:30], delay=0.05)
    send(page, "first")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("1 ")
    send(page, "second")
    expect(page.locator("#bot .user-row")).to_have_count(2)
    settled(page)
    assert len(replies(page)) == 2 and all(text.endswith("29") for text in replies(page))


def test_a_reload_in_the_middle_finds_the_reply_running(page: Page, site: Site) -> None:
    site.say(*COUNTING[:80], delay=0.05)
    send(page, "count")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("5 ")
    page.reload()
    expect(page.locator('#send[aria-label="Stop"]')).to_be_visible()
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("79")
    settled(page)
    assert replies(page) == ["".join(COUNTING[:80]).strip()]


def test_a_second_tab_shows_the_running_reply_and_can_stop_it(page: Page, site: Site, visit: Callable[..., Page]) -> None:
    site.say(*COUNTING, delay=0.05)
    send(page, "count")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("3 ")
    other = visit(f"/?c={page.evaluate('chatapp.view.conversation')}")
    expect(other.locator("#bot .bot-row .bot.message")).to_contain_text("12 ")
    other.locator('#send[aria-label="Stop"]').click()
    settled(other)
    settled(page)
    assert replies(page) == replies(other)


def test_a_tab_that_regains_focus_shows_what_another_tab_wrote(page: Page, visit: Callable[..., Page]) -> None:
    send(page, "first")
    settled(page)
    other = visit(f"/?c={page.evaluate('chatapp.view.conversation')}")
    send(other, "second")
    settled(other)
    page.wait_for_timeout(1100)
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator("#bot .user-row")).to_have_count(2)


def test_opening_another_conversation_leaves_the_first_running(page: Page, site: Site) -> None:
    site.say(*COUNTING[:60], delay=0.05)
    send(page, "the counting one")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("2 ")
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#welcome")).to_be_visible()
    page.wait_for_timeout(600)
    expect(page.locator("#welcome")).to_be_visible()
    page.locator("#conversations .open", has_text="the counting one").click()
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("59")


def test_visitors_see_only_their_own(page: Page, site: Site, browser: Browser) -> None:
    send(page, "mine alone")
    settled(page)
    stranger = browser.new_context().new_page()
    stranger.goto(f"{site.url}/?c={page.evaluate('chatapp.view.conversation')}")
    expect(stranger.locator("#welcome")).to_be_visible()
    expect(stranger.locator("#conversations")).not_to_contain_text("mine alone")
    stranger.context.close()


def test_a_failed_reply_stands_with_its_reason(page: Page, site: Site) -> None:
    site.engine.fail_after = 2
    send(page, "hello")
    settled(page)
    assert replies(page) == ["Hello"]
    expect(page.locator("#bot .note.failed")).to_be_visible()


def test_a_refused_message_stays_in_the_box(page: Page) -> None:
    page.locator("#message").fill("word " * 4000)
    page.locator("#message").press("Enter")
    expect(page.locator(".toast.failed")).to_contain_text("tokens")
    assert page.locator("#message").input_value().startswith("word word")
    expect(page.locator("#meter")).to_have_class("over")


def test_a_draft_survives_a_reload(page: Page) -> None:
    page.locator("#message").fill("half a thou")
    page.reload()
    expect(page.locator("#message")).to_have_value("half a thou")


def test_two_tabs_keep_a_draft_each(page: Page, visit: Callable[..., Page]) -> None:
    page.locator("#message").fill("mine")
    other = visit()
    expect(other.locator("#message")).to_have_value("mine")
    other.locator("#message").fill("theirs")
    page.reload()
    expect(page.locator("body:not(.starting) #message")).to_have_value("mine")


def test_an_example_is_asked_with_one_click(page: Page) -> None:
    page.locator(".example").first.click()
    settled(page)
    assert replies(page) == ["Hello world"]


def test_the_system_prompt_of_a_preset_reaches_the_model(page: Page, site: Site) -> None:
    page.evaluate("chatapp.fold('right', false)")
    page.locator("#preset").select_option("Brief")
    expect(page.locator("#system textarea")).to_have_value("Answer in at most three sentences. No preamble, no summary.")
    send(page, "hello")
    settled(page)
    assert "three sentences" in site.engine.tokenizer.decode(site.engine.fed[-1])


def test_sliders_reach_the_model_and_survive_a_reload(page: Page, site: Site) -> None:
    page.evaluate("chatapp.fold('right', false)")
    slider = page.locator("#knob-temperature input[type=number]")
    slider.fill("0.2")
    slider.press("Enter")
    send(page, "hello")
    settled(page)
    assert site.engine.samplings[-1].temperature == 0.2
    page.reload()
    expect(slider).to_have_value("0.2")


def test_the_meter_counts_what_is_typed(page: Page) -> None:
    words = page.locator("#meter .words")
    expect(words).to_contain_text("512 reserved of 2,048")
    before = words.inner_text()
    page.locator("#message").fill("What would this cost?")
    expect(words).not_to_have_text(before)
