"""What a visitor sees before the page stands, and what it costs while nothing happens."""

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, send, settled

SEEN = """
window.seen = new Set();
const look = () => {
  for (const line of (document.body?.innerText || "").split("\\n")) if (line.trim()) seen.add(line.trim());
  requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
"""Every line of text that any frame showed."""

ASKED = """
window.asked = [];
const native = requestAnimationFrame.bind(window);
window.frame = () => new Promise(native);
window.requestAnimationFrame = (drawn) => { asked.push(String(drawn).slice(0, 80)); return native(drawn); };
"""

FRAMES_AT_REST = """async () => {
  for (let round = 0; round < 20; round++) {
    asked.length = 0;
    for (let n = 0; n < 30; n++) await frame();
    if (!asked.length) break;
  }
  return asked;
}"""
"""What asked for frames while thirty were drawn, when the page has come to rest."""


def test_nothing_of_gradios_is_seen_while_the_page_loads(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.add_init_script(SEEN)
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    seen = page.evaluate("[...seen]")
    assert "New chat" in seen
    assert not {"Loading...", "Home", "X-ray", "Use via API"} & set(seen)


def test_a_page_at_rest_asks_for_no_frames(context: BrowserContext, site: Site) -> None:
    """Each would wake up browser and model's cores sixty times a second."""
    page = context.new_page()
    page.add_init_script(ASKED)
    page.goto(site.url)
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    send(page, "Hi")
    settled(page)
    assert page.evaluate(FRAMES_AT_REST) == []


def test_a_reply_leaves_the_lines_of_those_before_it_alone(page: Page, site: Site) -> None:
    site.say("one ", "two ", "three ", "four", delay=0.1)
    send(page, "First")
    settled(page)
    send(page, "Second")
    settled(page)
    lines = "[...document.querySelectorAll('#bot .line')]"
    page.evaluate(f"window.before = {lines}.slice(0, 2)")
    send(page, "Third")
    settled(page)
    assert page.evaluate(f"{lines}.slice(0, 2).every((line, n) => line === before[n])")


def test_a_reply_that_grows_keeps_what_stands_and_is_measured_once_a_frame(page: Page, site: Site) -> None:
    site.say("one ", "two ", "**three ", "four** ", "five", delay=0.2)
    send(page, "Count")
    page.wait_for_function("document.querySelector('#bot .bot.message p')")
    page.evaluate("""() => {
      const [p] = document.querySelectorAll('#bot .bot.message p'), [line] = document.querySelectorAll('#bot .bot-row .line');
      window.kept = [p, p.firstChild, line];
      window.measured = 0;
      for (const name of ['scrollHeight', 'scrollTop', 'clientHeight', 'offsetHeight']) {
        const { get } = Object.getOwnPropertyDescriptor(name === 'offsetHeight' ? HTMLElement.prototype : Element.prototype, name);
        Object.defineProperty(p.closest('#bot'), name, { configurable: true, get() { measured++; return get.call(this); } });
      }
    }""")
    page.wait_for_function("document.querySelector('#bot .bot.message strong')?.textContent.includes('four')")
    assert page.evaluate("kept.every((node) => node.isConnected) && measured") == 0
    settled(page)
    assert page.locator("#bot .bot.message p").inner_html().strip("\u2060 ") == "one two <strong>three four</strong> five"


def test_what_is_selected_in_a_growing_reply_stays_selected(page: Page, site: Site) -> None:
    site.say("Take ", "these ", "words ", "**and ", "that** ", "`for` ", "a *te", "st* of ", "$x$ ", "it", delay=0.15)
    send(page, "Write")
    page.wait_for_function("document.querySelector('#bot .bot.message p')?.textContent.includes('words')")
    page.evaluate("""() => {
      const { firstChild } = document.querySelector('#bot .bot.message p');
      getSelection().setBaseAndExtent(firstChild, 5, firstChild, 10);
      window.lost = 0;
      document.addEventListener('selectionchange', () => { lost += String(getSelection()) !== 'these'; });
    }""")
    settled(page)
    assert page.locator("#bot .bot.message :is(strong, em, code)").count() >= 3
    assert page.evaluate("[String(getSelection()), lost]") == ["these", 0]
