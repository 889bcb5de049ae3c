"""X-ray's scripts and styles are no part of the first load: they come when somebody opens it, and what happens meanwhile is said."""

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import first_held, send, settled

FILES = "**/chatapp/xray.*"
XRAY = "X-ray: what the model saw and did"


def button(page: Page):
    return page.get_by_role("button", name=XRAY)


def asked(page: Page) -> list[str]:
    """The names of our own files that the page has asked for."""
    urls = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    return [url.rsplit("/", 1)[-1].partition(".")[0] for url in urls if "/chatapp/" in url]


def test_the_chat_loads_its_own_files_only_and_x_ray_when_it_is_opened(page: Page) -> None:
    send(page, "Hello")
    settled(page)
    assert sorted(asked(page)) == ["chat", "chat"]
    button(page).click()
    expect(page.locator("#xray-body .x-cells")).to_be_visible()
    assert sorted(asked(page)) == ["chat", "chat", "xray", "xray", "xray-parts"]
    page.get_by_role("button", name="Close X-ray (Esc)").click()
    expect(button(page)).to_be_focused()


def test_while_x_ray_comes_the_drawer_says_so_and_can_be_closed(page: Page) -> None:
    held: list[Route] = []
    page.route(FILES, lambda route: held.append(route))
    send(page, "Hello")
    settled(page)
    button(page).click()
    expect(page.locator("#xray")).to_contain_text("Opening X-ray")
    page.keyboard.press("Escape")
    expect(page.locator("#xray")).to_be_hidden()
    expect(button(page)).to_be_focused()
    first_held(page, held).continue_()
    page.unroute(FILES)
    button(page).click()
    expect(page.locator("#xray-body .x-cells")).to_be_visible()
    expect(page.locator("#xray [role=tablist]")).to_have_count(1)


def test_opened_again_while_only_a_part_of_it_is_there_it_comes_whole(page: Page) -> None:
    held: list[Route] = []
    page.route("**/chatapp/xray*", lambda route: held.append(route))
    send(page, "Hello")
    settled(page)
    button(page).click()
    expect(page.locator("#xray")).to_contain_text("Opening X-ray")
    page.keyboard.press("Escape")
    for _ in ("its style", "its first script"):
        first_held(page, held).continue_()
        held.clear()
    parts = first_held(page, held)
    button(page).click()
    expect(page.locator("#xray")).to_contain_text("Opening X-ray")
    parts.continue_()
    expect(page.locator("#xray-body .x-cells")).to_be_visible()
    expect(page.locator("#xray [role=tablist]")).to_have_count(1)


def test_where_x_ray_cannot_be_fetched_it_is_said_and_tried_again(page: Page) -> None:
    page.route(FILES, lambda route: route.abort("connectionrefused"))
    send(page, "Hello")
    settled(page)
    button(page).click()
    expect(page.locator("#xray [role=alert]")).to_contain_text("could not be fetched")
    page.unroute(FILES)
    page.locator("#xray").get_by_role("button", name="Try again").click()
    expect(page.locator("#xray-body .x-cells")).to_be_visible()


def test_an_address_that_names_a_reply_opens_x_ray(visit: Callable[..., Page]) -> None:
    page = visit()
    send(page, "Hello")
    settled(page)
    turn = page.locator(".exchange").last.get_attribute("data-turn")
    conversation = page.evaluate("chatapp.view.conversation")
    page.goto(page.url.split("?")[0] + f"?c={conversation}&xray={turn}&view=card")
    expect(page.locator("#xray-tab-card")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".x-card tr").first).to_be_visible()
    page.goto(page.url.split("?")[0] + f"xray?turn={turn}&view=prompt")
    expect(page.locator("#xray-body .x-cells")).to_be_visible()
    page.goto(page.url.split("?")[0])
    expect(page.locator("#xray-about")).to_contain_text("Open X-ray from a reply")
