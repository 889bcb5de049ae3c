"""What a bad connection does must not change what the page shows, and two windows show one truth."""

from collections.abc import Callable

from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Site, first_held, replies, send, settled

LUMPS = """
const plain = window.fetch;
window.fetch = async (...asked) => {
  const response = await plain(...asked);
  if (!String(asked[0].url ?? asked[0]).includes("ui/watch")) return response;
  let waiting = [], timer = 0;
  const deliver = (out) => { for (const chunk of waiting.splice(0)) out.enqueue(chunk); };
  const lumps = new TransformStream({
    start(out) { timer = setInterval(deliver, 400, out); },
    transform(chunk) { waiting.push(chunk); },
    flush(out) { clearInterval(timer); return new Promise((done) => setTimeout(() => done(deliver(out)), 400)); },
  });
  return new Response(response.body.pipeThrough(lumps), { status: response.status, headers: response.headers });
};
"""
"""Everything the server says within 0.4 s arrives at once."""


def test_views_that_arrive_together_are_all_seen(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.add_init_script(LUMPS)
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    for question in ("One", "Two"):
        send(page, question)
        expect(page.locator("#bot")).to_contain_text(question)
        settled(page)
    assert replies(page) == ["Hello world", "Hello world"]
    expect(page.locator("#conversations .open")).to_have_count(1)


CUT = """
const plain = window.fetch;
window.fetch = async (...asked) => {
  const response = await plain(...asked);
  if (!String(asked[0].url ?? asked[0]).includes("ui/watch") || window.cuts-- <= 0) return response;
  let seen = 0;
  const cut = new TransformStream({
    transform(chunk, out) {
      seen += 1;
      if (seen > 3) out.error(new TypeError("network error"));
      else out.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(cut), { status: response.status, headers: response.headers });
};
window.cuts = 3;
"""
"""The first three watches break after three pieces."""


def test_a_watch_that_breaks_is_taken_up_again(context: BrowserContext, site: Site) -> None:
    site.say(*[f"{n} " for n in range(40)], delay=0.03)
    page = context.new_page()
    page.add_init_script(CUT)
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    send(page, "count")
    expect(page.locator("#bot .bot-row .bot.message")).to_contain_text("39")
    settled(page)
    assert replies(page) == ["".join(f"{n} " for n in range(40)).strip()]


def test_without_a_server_the_page_says_so_keeps_what_was_typed_and_comes_back(page: Page) -> None:
    def refuse(route: Route) -> None:
        route.abort("connectionrefused")

    page.route("**/ui/*", refuse)
    send(page, "are you there?")
    expect(page.locator(".toast.failed")).to_contain_text("does not answer")
    expect(page.locator("#message")).to_have_value("are you there?")
    page.evaluate("chatapp.watch()")
    expect(page.locator("#notice")).to_contain_text("does not answer")
    page.unroute("**/ui/*", refuse)
    expect(page.locator("#notice")).to_be_hidden()
    page.locator("#message").press("Enter")
    settled(page)
    assert replies(page) == ["Hello world"]


def test_two_windows_show_one_truth_without_a_click(page: Page, visit: Callable[..., Page]) -> None:
    send(page, "first")
    settled(page)
    other = visit(f"/?c={page.evaluate('chatapp.view.conversation')}")
    send(other, "second")
    expect(page.locator("#bot .user-row")).to_have_count(2)
    other.locator("#bot .bot-row").last.get_by_role("button", name="Delete").click()
    other.locator("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#bot .user-row")).to_have_count(1)


def test_many_tabs_are_open_at_once(visit: Callable[..., Page], site: Site) -> None:
    """A browser has six connections for all tabs of a host: a tab in which nothing happens must not hold one."""
    tabs = [visit() for _ in range(8)]
    for tab in (tabs[-1], tabs[0]):
        send(tab, "hi")
        expect(tab.locator("#bot .bot-row")).to_contain_text("Hello world")


def test_one_conversation_never_stands_under_the_title_of_another(page: Page, site: Site) -> None:
    for question in ("about apples", "about pears"):
        page.get_by_role("button", name="New chat").click()
        send(page, question)
        settled(page)
    page.route("**/ui/watch", lambda route: route.abort())
    page.locator("#conversations .open", has_text="apples").click()
    expect(page.locator("#title")).to_have_text("about apples")
    expect(page.locator("#bot .messages")).to_have_css("opacity", "0")
    page.unroute_all()
    expect(page.locator("#bot .user-row")).to_contain_text("about apples")
    expect(page.locator("#bot .messages")).to_have_css("opacity", "1")


def test_a_message_that_is_on_its_way_says_so(page: Page, site: Site) -> None:
    held: list[Route] = []
    page.route("**/ui/chat", lambda route: held.append(route))
    send(page, "Slowly")
    expect(page.locator("#send")).to_have_attribute("aria-label", "Sending")
    expect(page.locator("#message")).to_have_value("Slowly")
    first_held(page, held).continue_()
    page.unroute_all()
    settled(page)
    assert replies(page) == ["Hello world"]
    expect(page.locator("#send")).to_have_attribute("aria-label", "Send")
