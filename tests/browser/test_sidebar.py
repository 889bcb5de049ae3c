"""The list of conversations: rename, delete with undo, pin, search, deep links, Back and Forward, temporary chats, export and import."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, replies, send, settled


@pytest.fixture
def two(page: Page) -> Page:
    """A visitor with the conversations 'about apples' and 'about pears', the second one open."""
    for title in ("about apples", "about pears"):
        page.get_by_role("button", name="New chat").click()
        send(page, title)
        settled(page)
        expect(page.locator("#title")).to_have_text(title)
    return page


def titles(page: Page) -> list[str]:
    return page.locator("#conversations .title").all_inner_texts()


def entry(page: Page, title: str):
    return page.locator("#conversations .open", has_text=title)


def test_the_title_is_the_first_question_and_today_groups_it(two: Page) -> None:
    assert titles(two) == ["about pears", "about apples"]
    expect(two.locator("#conversations h2")).to_have_text("Today")
    expect(two.locator('#conversations [aria-current="page"]')).to_have_text("about pears")


def test_a_click_opens_and_the_address_follows(two: Page) -> None:
    entry(two, "apples").click()
    expect(two.locator("#bot .user-row")).to_contain_text("about apples")
    assert two.evaluate("new URL(location).searchParams.get('c')") == two.evaluate("chatapp.view.conversation")


def test_back_and_forward_open_what_they_name(two: Page) -> None:
    entry(two, "apples").click()
    expect(two.locator("#title")).to_have_text("about apples")
    two.evaluate("history.back()")
    expect(two.locator("#title")).to_have_text("about pears")
    two.evaluate("history.forward()")
    expect(two.locator("#title")).to_have_text("about apples")


def test_back_knows_what_was_opened_before_it_is_shown(two: Page) -> None:
    apples = entry(two, "apples")
    apples.evaluate("(link) => { link.click(); history.back(); }")
    opened = apples.get_attribute("data-id")
    two.wait_for_function("(opened) => chatapp.view.order.length && chatapp.view.conversation !== opened", arg=opened)
    expect(two.locator("#title")).to_have_text("about pears")
    two.evaluate("history.forward()")
    expect(two.locator("#title")).to_have_text("about apples")


def test_the_address_names_a_conversation_as_soon_as_the_server_has_it(page: Page) -> None:
    page.route("**/ui/watch", lambda route: route.abort())
    send(page, "about plums")
    page.wait_for_function("chatapp.view.conversation")
    assert page.evaluate("new URL(location).searchParams.get('c')") == page.evaluate("chatapp.view.conversation")


def test_a_dead_address_does_not_stay_behind(two: Page) -> None:
    pears = two.evaluate("chatapp.view.conversation")
    two.evaluate("chatapp.open('nothing-of-that-name')")
    expect(two.locator("#title")).to_have_text("New chat")
    two.evaluate("history.back()")
    two.wait_for_function("(pears) => chatapp.view.conversation === pears", arg=pears)


def test_a_deep_link_opens_its_conversation(two: Page, visit: Callable[..., Page]) -> None:
    other = visit(f"/?c={two.evaluate('chatapp.view.conversation')}")
    expect(other.locator("#bot .user-row")).to_contain_text("about pears")


def test_rename_by_double_click(two: Page) -> None:
    entry(two, "pears").dblclick()
    two.get_by_role("textbox", name="Title").fill("Fruit & <b>more</b>")
    two.keyboard.press("Enter")
    expect(entry(two, "Fruit & <b>more</b>")).to_be_visible()
    settled(two)
    two.reload()
    expect(entry(two, "Fruit & <b>more</b>")).to_be_visible()


def test_rename_by_keyboard_and_escape_keeps_the_old_title(two: Page) -> None:
    entry(two, "apples").focus()
    two.keyboard.press("F2")
    two.get_by_role("textbox", name="Title").fill("changed")
    two.keyboard.press("Escape")
    assert titles(two) == ["about pears", "about apples"]


def test_arrows_walk_the_list(two: Page) -> None:
    two.locator("#search").focus()
    two.keyboard.press("ArrowDown")
    two.keyboard.press("ArrowDown")
    two.keyboard.press("Enter")
    expect(two.locator("#title")).to_have_text("about apples")


def test_the_buttons_of_a_row_cover_no_letter_of_its_title(page: Page) -> None:
    send(page, "שלום")
    settled(page)
    row = page.locator("#conversations li", has_text="שלום")
    row.hover()
    buttons = row.locator(".acts").bounding_box()
    letters = row.locator(".title").evaluate(
        "(title) => { const range = document.createRange(); range.selectNodeContents(title); return range.getBoundingClientRect().right; }"
    )
    assert letters <= buttons["x"]


def test_delete_can_be_undone(two: Page) -> None:
    entry(two, "pears").hover()
    two.get_by_role("button", name="Delete about pears").click()
    expect(entry(two, "pears")).to_have_count(0)
    expect(two.locator("#welcome")).to_be_visible()
    two.get_by_role("button", name="Undo", exact=True).click()
    expect(entry(two, "pears")).to_be_visible()
    expect(two.locator("#bot .user-row")).to_contain_text("about pears")


def test_nothing_is_called_deleted_that_the_server_did_not_delete(two: Page, site: Site) -> None:
    id = two.evaluate("chatapp.view.conversation")
    with site.chat.store.database.read() as connection:
        owner = connection.execute(sa.text("select owner from conversations where id = :id"), {"id": id}).scalar()
    site.chat.store.conversations.delete(owner, id)
    entry(two, "pears").hover()
    two.get_by_role("button", name="Delete about pears").click()
    expect(two.locator(".toast.failed")).to_contain_text("not found")
    settled(two)
    assert two.locator("#toasts .toast:not(.failed)").count() == 0


def test_pinned_stands_first(two: Page) -> None:
    entry(two, "apples").hover()
    two.get_by_role("button", name="Pin about apples").click()
    expect(two.locator("#conversations h2").first).to_have_text("Pinned")
    assert titles(two) == ["about apples", "about pears"]


def test_search_finds_words_of_replies_and_marks_them(two: Page, site: Site) -> None:
    site.say("The quince is a fruit")
    send(two, "and then?")
    settled(two)
    two.locator("#search").fill("quince")
    expect(two.locator("#conversations .title")).to_have_count(1)
    expect(two.locator("#conversations .snippet mark")).to_have_text("quince")
    two.locator("#search").fill("")
    expect(two.locator("#conversations .title")).to_have_count(2)
    two.locator("#search").fill("zebra")
    expect(two.locator("#conversations .none")).to_contain_text("Nothing contains")


def test_a_temporary_chat_is_listed_nowhere_and_gone_after_a_reload(page: Page) -> None:
    page.locator('[data-do="temporary"]').click()
    expect(page.locator("#temporary-mark")).to_be_visible()
    send(page, "off the record")
    settled(page)
    assert replies(page) == ["Hello world"]
    assert "c=" not in page.evaluate("location.search")
    send(page, "still off the record")
    expect(page.locator("#bot .user-row")).to_have_count(2)
    settled(page)
    expect(page.locator("#conversations")).not_to_contain_text("record")
    warned: list[str] = []
    page.once("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    page.reload()
    assert warned == ["beforeunload"]
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("#conversations")).not_to_contain_text("record")


def test_a_temporary_chat_that_the_server_gave_up_says_why_and_keeps_what_was_typed(page: Page, site: Site) -> None:
    page.locator('[data-do="temporary"]').click()
    expect(page.locator("#temporary-mark")).to_be_visible()
    send(page, "off the record")
    expect(page.locator("#bot .bot-row")).to_contain_text("Hello world")
    settled(page)
    assert site.chat.stores.temporary.prune(time.time() + 25 * 3600) >= 1
    send(page, "too late")
    expect(page.locator(".toast.failed")).to_contain_text("not in the server's memory any more")
    expect(page.locator("#message")).to_have_value("too late")


def test_deleting_an_exchange_asks_about_what_follows(page: Page) -> None:
    for text in ("one", "two", "three"):
        send(page, text)
        settled(page)
        expect(page.locator("#bot .user-row").last).to_contain_text(text)
    page.locator("#bot .bot-row").nth(1).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Only this exchange").click()
    expect(page.locator("#bot .user-row")).to_have_count(2)
    expect(page.locator("#bot .user-row").last).to_contain_text("three")
    page.locator("#bot .bot-row").nth(0).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="This and all that follows").click()
    expect(page.locator("#welcome")).to_be_visible()


def test_deleting_an_exchange_can_be_undone(page: Page) -> None:
    for text in ("one", "two", "three"):
        send(page, text)
        settled(page)
    asked = page.locator("#bot .user-row .user.message")
    page.locator("#bot .bot-row").nth(1).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Only this exchange").click()
    expect(asked).to_have_text(["one", "three"])
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(asked).to_have_text(["one", "two", "three"])
    page.locator("#bot .bot-row").nth(0).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="This and all that follows").click()
    expect(page.locator("#welcome")).to_be_visible()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(asked).to_have_text(["one", "two", "three"])


def test_an_export_comes_back_by_import(two: Page, tmp_path: Path) -> None:
    two.get_by_role("button", name="Export or delete this conversation").click()
    with two.expect_download() as waiting:
        two.get_by_role("menuitem", name="Export as JSON", exact=True).click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    assert "about pears" in file.read_text() and json.loads(file.read_text())
    two.get_by_role("button", name="My conversations").click()
    two.get_by_role("menuitem", name="Delete everything of mine…").click()
    two.get_by_role("button", name="Delete everything", exact=True).click()
    expect(two.locator("#conversations .none")).to_be_visible()
    two.locator("#import-file").set_input_files(file)
    expect(entry(two, "pears")).to_be_visible()
    expect(two.locator("#bot .user-row")).to_contain_text("about pears")


def test_a_broken_file_imports_nothing_and_says_where(page: Page) -> None:
    page.locator("#import-file").set_input_files({"name": "x.json", "mimeType": "application/json", "buffer": b'{"format": '})
    expect(page.locator(".toast.failed")).to_contain_text("Line 1")
    assert titles(page) == []
