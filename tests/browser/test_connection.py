"""What a bad connection does to Gradio's stream must not change what the page shows."""

from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Site, replies, send, settled

LUMPS = """
const plain = window.fetch;
window.fetch = async (...asked) => {
  const response = await plain(...asked);
  if (!String(asked[0].url ?? asked[0]).includes("queue/data")) return response;
  let waiting = [];
  const lumps = new TransformStream({
    start(out) { setInterval(() => { for (const chunk of waiting.splice(0)) out.enqueue(chunk); }, 400); },
    transform(chunk) { waiting.push(chunk); },
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
