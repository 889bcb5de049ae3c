"""Text files that go with a message: attached, dropped, pasted, taken out, sent, folded, edited, taken back."""

import pytest
from playwright.sync_api import Error, Page, expect

from tests.browser.conftest import Site, send, settled
from tests.pdfs import pdf

NOTES = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Notes\r\n```\nThe ship leaves at nine.\n```\n"}
LIST = {"name": "list.txt", "mimeType": "text/plain", "buffer": "Käse, Brot".encode()}
WITH_NOTES = "When does it leave?\n\nFile: notes.md\n````\n# Notes\n```\nThe ship leaves at nine.\n```\n````"

GIVEN = """
([name, on]) => {
  const given = new DataTransfer();
  given.items.add(new File(["The ship leaves at nine."], "ship.txt", { type: "text/plain" }));
  const to = document.querySelector(on);
  const kind = { paste: ClipboardEvent, drop: DragEvent }[name];
  const key = name === "paste" ? "clipboardData" : "dataTransfer";
  return to.dispatchEvent(new kind(name, { [key]: given, bubbles: true, cancelable: true }));
}
"""


def attach(page: Page, *files: dict) -> None:
    before = page.locator("#attached .file").count()
    page.set_input_files("#attach-file", list(files))
    expect(page.locator("#attached .file")).to_have_count(before + len(files))


def asked(page: Page) -> str:
    """What the person said last, as the server has it."""
    return page.evaluate("chatapp.view.rows[chatapp.view.leaf].user")


def test_files_go_with_the_words_and_are_folded_in_the_conversation(page: Page) -> None:
    attach(page, LIST)
    attach(page, NOTES)
    page.get_by_role("button", name="Remove list.txt").click()
    expect(page.locator("#attached .file")).to_have_count(1)
    send(page, "When does it leave?")
    settled(page)
    assert asked(page) == WITH_NOTES
    expect(page.locator("#attached .file")).to_have_count(0)
    bubble = page.locator("#bot .user.message")
    expect(bubble.locator("summary")).to_have_text("notes.md40 characters")
    expect(bubble.locator("pre")).to_have_count(0)
    bubble.locator("summary").click()
    expect(bubble.locator("pre")).to_have_text("# Notes\n```\nThe ship leaves at nine.\n```")
    expect(page.locator("#title")).to_have_text("When does it leave?")


def test_a_file_needs_no_words(page: Page) -> None:
    expect(page.locator("#send")).to_be_disabled()
    attach(page, LIST)
    page.locator("#send").click()
    settled(page)
    assert asked(page) == "File: list.txt\n```\nKäse, Brot\n```"


@pytest.mark.parametrize(("way", "on"), [("drop", "#welcome"), ("drop", "#side"), ("paste", "#message")])
def test_it_is_dropped_or_pasted(page: Page, way: str, on: str) -> None:
    assert page.evaluate(GIVEN, [way, on]) is False  # else the browser would leave the page for the file
    expect(page.locator("#attached .file b")).to_have_text("ship.txt")


def test_a_draft_keeps_its_files(page: Page) -> None:
    attach(page, NOTES)
    page.locator("#message").fill("When does it leave?")
    page.reload()
    expect(page.locator("#attached .file b")).to_have_text("notes.md")
    expect(page.locator("#message")).to_have_value("When does it leave?")


def test_a_long_draft_is_kept_when_the_page_is_left_at_once(page: Page) -> None:
    long = {"name": "long.txt", "mimeType": "text/plain", "buffer": b"The ship leaves at nine. " * 30_000}
    attach(page, long)
    page.locator("#message").fill("When does it leave?")
    page.reload()
    expect(page.locator("#attached .file b")).to_have_text("long.txt")
    expect(page.locator("#message")).to_have_value("When does it leave?")


FULL = """() => { for (const kind of [sessionStorage, localStorage])
  for (let more = 2 ** 21; more > 64; more /= 2)
    try { while (true) kind.setItem(`other.${kind.length}`, "x".repeat(more)); } catch {} }"""


def test_of_a_draft_that_the_browser_has_no_room_for_the_words_are_kept(page: Page) -> None:
    page.locator("#message").fill("An older draft, which is longer than what follows")
    page.evaluate(FULL)
    page.locator("#message").fill("When does it leave?")
    attach(page, {"name": "long.txt", "mimeType": "text/plain", "buffer": b"The ship leaves at nine. " * 30_000})
    expect(page.locator(".toast")).to_contain_text("These files are too long to be kept here as a draft")
    page.reload()
    expect(page.locator("#message")).to_have_value("When does it leave?")
    expect(page.locator("#attached .file")).to_have_count(0)


def test_a_key_costs_little_beside_a_long_file(page: Page) -> None:
    stored = """() => { window.stored = 0; const set = Storage.prototype.setItem;
        Storage.prototype.setItem = function (...given) { window.stored += 1; set.apply(this, given); }; }"""
    attach(page, {"name": "long.txt", "mimeType": "text/plain", "buffer": b"The ship leaves at nine. " * 30_000})
    page.evaluate(stored)
    keys = """() => { const box = document.querySelector("#message");
        for (let n = 0; n < 100; n++) { box.value += "x"; box.dispatchEvent(new Event("input", { bubbles: true })); }
        return window.stored; }"""
    assert page.evaluate(keys) == 0
    page.wait_for_function("() => window.stored > 0")


def test_an_example_is_sent_with_the_files_that_are_in_the_box(page: Page) -> None:
    attach(page, LIST)
    page.locator("#welcome .example").first.click()
    settled(page)
    assert asked(page).endswith("\n\nFile: list.txt\n```\nKäse, Brot\n```")


def test_what_no_model_can_read_is_refused_and_the_rest_is_attached(page: Page) -> None:
    page.set_input_files("#attach-file", [{"name": "report.docx", "mimeType": "", "buffer": b"PK"}, LIST])
    expect(page.locator(".toast.failed")).to_contain_text("report.docx is a document of an office program.")
    expect(page.locator("#attached .file b")).to_have_text("list.txt")
    # a notice hides neither the box nor the files in it
    below = "document.querySelector('.toast').getBoundingClientRect().bottom <= document.querySelector('.box').getBoundingClientRect().top"
    page.wait_for_function(below)


def test_of_many_that_no_model_can_read_a_few_are_named(page: Page) -> None:
    many = [{"name": f"{n}.docx", "mimeType": "", "buffer": b"PK"} for n in range(50)]
    page.set_input_files("#attach-file", many)
    expect(page.locator(".toast.failed").last).to_have_text("47 more could not be attached.")
    expect(page.locator(".toast")).to_have_count(4)


def test_however_many_there_are_the_box_stays_in_sight(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 700})
    attach(page, *[{"name": f"a file with a long name, number {n}.txt", "mimeType": "", "buffer": b"one"} for n in range(20)])
    page.locator("#message").fill("What is in them?")
    expect(page.locator("#send")).to_be_in_viewport(ratio=1)
    expect(page.locator("#message")).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="number 19.txt").click()
    expect(page.locator("#attached .file")).to_have_count(19)


def test_the_words_of_a_pdf_are_attached_when_they_are_read(page: Page) -> None:
    going_on = []
    page.route("**/ui/pdf?*", lambda route: going_on.append(route))
    page.locator("#message").fill("When?")
    page.set_input_files("#attach-file", [{"name": "ship.pdf", "mimeType": "application/pdf", "buffer": pdf("It leaves at nine.")}])
    expect(page.locator("#attached .reading")).to_have_text("ship.pdfis being read …")
    expect(page.locator("#send")).to_be_disabled()
    while not going_on:
        page.wait_for_timeout(10)
    going_on[0].continue_()
    expect(page.locator("#attached .file:not(.reading) b")).to_have_text("ship.pdf")
    page.locator("#send").click()
    settled(page)
    assert asked(page) == "When?\n\nFile: ship.pdf\n```\nIt leaves at nine.\n```"


def test_what_is_read_for_another_conversation_holds_nothing_up_here(page: Page) -> None:
    send(page, "Hello")
    settled(page)
    going_on = []
    page.route("**/ui/pdf?*", lambda route: going_on.append(route))
    page.set_input_files("#attach-file", [{"name": "ship.pdf", "mimeType": "application/pdf", "buffer": pdf("It leaves at nine.")}])
    expect(page.locator("#attached .reading")).to_have_count(1)
    page.get_by_role("button", name="New chat").first.click()
    expect(page.locator("#attached .reading")).to_have_count(0)
    page.locator("#message").fill("Hello again")
    expect(page.locator("#send")).to_be_enabled()
    going_on[0].continue_()
    expect(page.locator(".toast")).to_contain_text("ship.pdf was not attached: another conversation was opened meanwhile.")


def test_pdfs_are_read_one_after_the_other(page: Page) -> None:
    files = [{"name": f"{n}.pdf", "mimeType": "application/pdf", "buffer": pdf(f"Page {n}")} for n in range(12)]
    attach(page, *files)  # the server reads one and lets eight wait
    expect(page.locator("#attached .file:not(.reading) b")).to_have_text([one["name"] for one in files])


def test_a_pdf_that_cannot_be_read_is_refused(page: Page) -> None:
    page.set_input_files("#attach-file", [{"name": "old.pdf", "mimeType": "application/pdf", "buffer": b"%PDF"}])
    expect(page.locator(".toast.failed")).to_contain_text("old.pdf cannot be read: it is damaged, or no PDF.")
    expect(page.locator("#attached .file")).to_have_count(0)


def test_the_words_are_edited_and_the_files_stay(page: Page, site: Site) -> None:
    broken: list[Error] = []
    page.on("pageerror", lambda error: broken.append(error))
    attach(page, NOTES)
    send(page, "When?")
    settled(page)
    page.locator("#bot .user-row").hover()
    page.get_by_role("button", name="Edit", exact=True).click()
    box = page.get_by_label("Edit the message")
    expect(box).to_have_value("When?")
    expect(page.locator(".editor summary b")).to_have_text("notes.md")
    site.say("At", " nine")
    box.fill("When does it leave?")
    box.press("Enter")
    expect(page.locator("#bot .bot-row")).to_contain_text("At nine")
    settled(page)
    assert asked(page) == WITH_NOTES and broken == []


def test_of_a_message_that_is_a_file_alone_the_words_may_stay_empty(page: Page) -> None:
    attach(page, LIST)
    page.locator("#send").click()
    settled(page)
    page.locator("#message").press("ArrowUp")
    box = page.get_by_label("Edit the message")
    expect(box).to_have_value("")
    box.press("Enter")
    expect(box).to_have_count(0)
    settled(page)
    assert asked(page) == "File: list.txt\n```\nKäse, Brot\n```"


def test_what_is_taken_back_comes_into_the_box_with_its_files(page: Page) -> None:
    attach(page, NOTES)
    send(page, "When does it leave?")
    settled(page)
    attach(page, LIST)
    page.locator("#message").fill("And then?")
    page.get_by_role("button", name="Undo: take this exchange back").click()
    expect(page.locator("#message")).to_have_value("When does it leave?\nAnd then?")
    expect(page.locator("#attached .file b")).to_have_text(["notes.md", "list.txt"])


def test_a_file_alone_that_is_taken_back_puts_no_empty_line_before_the_words(page: Page) -> None:
    attach(page, LIST)
    page.locator("#send").click()
    settled(page)
    page.locator("#message").fill("And then?")
    page.get_by_role("button", name="Undo: take this exchange back").click()
    expect(page.locator("#attached .file b")).to_have_text("list.txt")
    expect(page.locator("#message")).to_have_value("And then?")
