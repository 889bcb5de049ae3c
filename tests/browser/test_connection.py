"""What a bad connection does to Gradio's stream must not change what the page shows."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.ui import chat_page
from tests.browser.conftest import Site, replies, send, settled

LATE_CLOSE = """
const plain = window.fetch;
window.fetch = async (...asked) => {
  const response = await plain(...asked);
  if (!String(asked[0].url ?? asked[0]).includes("queue/data")) return response;
  const late = new TransformStream({
    async transform(text, out) {
      const [before, ...close] = text.split(/(?=data: {"msg": ?"close_stream)/);
      out.enqueue(before);
      if (close.length) await new Promise((done) => setTimeout(done, 1000));
      close.forEach((part) => out.enqueue(part));
    },
  });
  const body = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(late).pipeThrough(new TextEncoderStream());
  return new Response(body, { status: response.status, headers: response.headers });
};
"""
"""That the server has closed the stream is heard a second later."""

LUMPS = """
const plain = window.fetch;
window.fetch = async (...asked) => {
  const response = await plain(...asked);
  if (!String(asked[0].url ?? asked[0]).includes("queue/data")) return response;
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


def test_an_answer_to_what_was_asked_while_the_stream_closed_is_seen(
    context: BrowserContext, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_page, "LINGER", 0.0)
    page = context.new_page()
    page.add_init_script(LATE_CLOSE)
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    for question in ("One", "Two", "Three"):
        send(page, question)
        expect(page.locator("#bot")).to_contain_text(question)
        settled(page)
    assert replies(page) == ["Hello world"] * 3


def test_many_tabs_are_open_at_once(visit: Callable[..., Page], site: Site) -> None:
    """A browser has six connections for all tabs of a host: a tab in which nothing happens must not hold one."""
    tabs = [visit() for _ in range(8)]
    for tab in (tabs[-1], tabs[0]):
        send(tab, "hi")
        expect(tab.locator("#bot .bot-row")).to_contain_text("Hello world")
