"""What a reader expects of a conversation: it holds still where they read, shows words as they are, and hides nothing."""

import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from chatapp.store import Conversation
from chatapp.store.schema import conversations
from chatapp.turn import Turn
from tests.browser.conftest import Site, replies, send, settled

LINES = [f"Line {n}\n\n" for n in range(150)]
WIDTH = """(() => {
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.font = getComputedStyle(document.querySelector("#bot li")).font;
  return canvas.measureText("120. ").width;
})()"""
SCROLLED = "(() => { const box = document.querySelector('#bot'); return box.scrollHeight - box.scrollTop - box.clientHeight })()"


def test_one_notch_of_the_wheel_is_obeyed_while_a_reply_is_written(page: Page, site: Site) -> None:
    site.say(*LINES, delay=0.03)
    send(page, "lines")
    expect(page.locator("#bot .bot-row")).to_contain_text("Line 40")
    page.locator("#bot").hover()
    page.mouse.wheel(0, -120)
    expect(page.locator("#to-end")).to_be_visible()
    expect(page.locator("#bot .bot-row")).to_contain_text("Line 70")
    assert page.evaluate(SCROLLED) > 100, "it did not stay where the reader went"
    page.locator("#to-end").click()
    expect(page.locator("#to-end")).to_be_hidden()
    expect(page.locator("#bot .bot-row")).to_contain_text("Line 100")
    assert page.evaluate(SCROLLED) < 60, "it no longer follows"
    page.keyboard.press("Escape")
    settled(page)


def test_a_selection_survives_what_is_written_below_it(page: Page, site: Site) -> None:
    site.say(*LINES[:60], delay=0.03)
    send(page, "lines")
    expect(page.locator("#bot .bot-row")).to_contain_text("Line 5")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#bot .block p'))")
    expect(page.locator("#bot .bot-row")).to_contain_text("Line 40")
    assert page.evaluate("String(getSelection())") == "Line 0"
    settled(page)
    assert page.evaluate("String(getSelection())") == "Line 0"


def test_list_numbers_are_whole_and_right_to_left_words_stand_on_their_side(page: Page, site: Site) -> None:
    site.say("\n".join(f"{n}. item" for n in range(1, 121)) + "\n\nمرحبا بالعالم\n")
    send(page, "list")
    settled(page)
    number, bubble = page.locator("#bot ol").bounding_box(), page.locator("#bot .bot.message").bounding_box()
    assert number["x"] >= bubble["x"]
    room = page.evaluate("parseFloat(getComputedStyle(document.querySelector('#bot ol')).paddingInlineStart)")
    wide = page.evaluate(WIDTH)
    assert room >= wide, "three digits are cut off"
    assert page.locator("#bot .markdown p").last.evaluate("node => getComputedStyle(node).direction") == "rtl"


def test_a_new_chat_begins_without_the_system_prompt_of_the_last_one(page: Page, site: Site) -> None:
    page.evaluate("chatapp.fold('right', false)")
    page.locator("#system textarea").fill("You are a pirate.")
    send(page, "hello")
    settled(page)
    page.get_by_role("button", name="New chat").click()
    expect(page.locator("#system textarea")).to_have_value("")
    page.locator("#system textarea").fill("You are a poet.")
    page.reload()
    expect(page.locator("#system textarea")).to_have_value("You are a poet.")
    page.locator("#conversations .open").click()
    expect(page.locator("#system textarea")).to_have_value("You are a pirate.")


def test_the_whole_list_can_be_reached_and_an_old_chat_is_never_called_nothing(page: Page, site: Site) -> None:
    send(page, "the newest")
    settled(page)
    with site.store.database.read() as connection:
        query = sa.select(conversations.c.owner).where(conversations.c.id == page.evaluate("chatapp.view.conversation"))
        owner = connection.execute(query).scalar_one()
    old = []
    for n in range(260):
        turn = Turn(owner, f"{n:032x}", f"question {n}", reply_text="Yes.", finish_reason="end", created=1000.0 + n)
        old.append(Conversation(turn.conversation_id, f"Conversation {n}", 1000.0 + n, 1000.0 + n, False, turn.id, [turn]))
    site.store.conversations.add(owner, old)
    page.reload()
    rows = page.locator("#conversations .open")
    expect(page.get_by_role("button", name="Show more: 161 older conversations")).to_be_attached()
    page.locator("#conversations").evaluate("node => { node.scrollTop = node.scrollHeight }")
    expect(rows).to_have_count(200)
    page.locator("#conversations").evaluate("node => { node.scrollTop = node.scrollHeight }")
    expect(rows).to_have_count(261)
    page.goto(f"{site.url}/?c={0:032x}")
    expect(page.locator("#title")).to_have_text("Conversation 0")
    page.get_by_role("button", name="Export or delete this conversation").click()
    expect(page.get_by_role("menuitem", name="Rename")).to_be_visible()


def test_a_destructive_question_does_not_have_the_focus(page: Page) -> None:
    send(page, "keep me")
    settled(page)
    page.locator("#bot .bot-row").get_by_role("button", name="Delete").click()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_have_count(0)
    assert replies(page) == ["Hello world"]


def test_on_a_phone_a_chat_is_pinned_renamed_and_deleted_from_the_list(browser: Browser, site: Site) -> None:
    page = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True).new_page()
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    send(page, "from a phone")
    settled(page)
    page.evaluate("chatapp.fold('left', false)")
    page.get_by_role("button", name="More for from a phone").click()
    page.get_by_role("menuitem", name="Pin").click()
    expect(page.locator("#conversations h2").first).to_have_text("Pinned")
    page.evaluate("chatapp.fold('left', true)")
    page.evaluate("chatapp.fold('right', false)")
    expect(page.locator("#right")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#right")).not_to_be_visible()
    page.context.close()


def test_messages_and_rows_say_when(page: Page) -> None:
    send(page, "hello")
    settled(page)
    said = page.evaluate("chatapp.moment(chatapp.view.rows[chatapp.view.leaf].created)")
    time = page.locator("#bot .user-row time")
    expect(time).to_have_text(said)
    page.locator("#bot .bot-row").hover()
    page.locator("#message").focus()
    expect(time).to_have_css("opacity", "0")
    page.locator("#bot .user-row").hover()
    expect(time).to_have_css("opacity", "1")
    date = page.evaluate("chatapp.date(chatapp.view.rows[chatapp.view.leaf].created)")
    assert date in page.locator("#bot .facts").get_attribute("title")
    assert date in page.locator("#conversations .open").get_attribute("title")


def test_the_line_under_a_reply_begins_where_the_words_begin_when_it_breaks(page: Page, site: Site) -> None:
    site.say("Hello")
    send(page, "hi")
    settled(page)
    page.set_viewport_size({"width": 390, "height": 700})
    line, words = page.locator("#bot .bot-row .line"), page.locator("#bot .bot-row .block").bounding_box()
    assert line.locator(".facts").bounding_box()["y"] > line.locator(".tools").bounding_box()["y"] + 10, "it was to break here"
    assert abs(line.locator(".facts").bounding_box()["x"] - words["x"]) < 1


def test_a_conversation_opens_at_its_end_however_long_its_exchanges_are(page: Page, site: Site) -> None:
    site.say(*LINES)
    for question in ("long one", "long two"):
        send(page, question)
        settled(page)
    page.reload()
    expect(page.locator("#bot .user-row").last).to_contain_text("long two")
    page.wait_for_function(f"{SCROLLED} < 4")
    expect(page.locator("#bot .bot-row").last.get_by_role("button", name="Copy", exact=True)).to_be_in_viewport()


def test_a_printed_conversation_is_whole_and_alone(page: Page, site: Site) -> None:
    site.say(*LINES)
    send(page, "lines")
    settled(page)
    page.emulate_media(media="print")
    expect(page.locator("#left")).to_be_hidden()
    expect(page.locator("#message")).to_be_hidden()
    last = page.locator("#bot .block p").last
    whole = page.evaluate("document.documentElement.scrollHeight")
    assert last.bounding_box()["y"] < whole and page.evaluate("getComputedStyle(document.querySelector('#bot')).overflowY") == "visible"
    assert whole > 150 * 20, "it is cut to the window"
