"""The page before Gradio's own frontend has come, and when it takes over what stands."""

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.conftest import Site, first_held, replies, send, settled, tab

GRADIOS = "**/assets/*.js"
READY = "body:not(.starting) #message"


class Held:
    """Gradio's scripts, on their way until `come`."""

    def __init__(self, context: BrowserContext, site: Site) -> None:
        self.routes: list[Route] = []
        self.here = False
        context.route(GRADIOS, self.take)
        self.page = context.new_page()
        self.page.goto(site.url, wait_until="commit")
        expect(self.page.locator(READY)).to_be_visible()

    def take(self, route: Route) -> None:
        if self.here:
            route.continue_()
        else:
            self.routes.append(route)

    def come(self) -> None:
        """Returns when Gradio's component holds the page."""
        first_held(self.page, self.routes)
        self.here = True
        for route in self.routes:
            route.continue_()
        expect(self.page.locator("gradio-app #page #shell")).to_be_attached()


def test_the_page_is_used_without_a_script_of_gradios(context: BrowserContext, site: Site) -> None:
    context.route(GRADIOS, lambda route: route.abort())
    page = tab(context, site.url, READY)
    send(page, "Hi")
    settled(page)
    assert replies(page) == ["Hello world"]
    page.locator("#knob-temperature input[type=number]").fill("0.3")
    page.locator("#system textarea").fill("Be brief.")
    send(page, "And now?")
    settled(page)
    assert (site.engine.samplings[-1].temperature, replies(page)) == (0.3, ["Hello world"] * 2)


def test_what_was_done_before_gradio_has_mounted_is_as_it_was(context: BrowserContext, site: Site) -> None:
    site.say(*["A line.\n\n"] * 60)
    gradio = Held(context, site)
    page = gradio.page
    send(page, "Write sixty lines")
    settled(page)
    page.locator("#bot").hover()
    page.mouse.wheel(0, -400)
    page.wait_for_function("!document.querySelector('#to-end').hidden")
    page.locator("#message").press_sequentially("A draft")
    state = "[document.activeElement.id, bot.scrollTop, message.value, message.selectionStart, document.title]"
    before = page.evaluate(state)
    gradio.come()
    assert page.evaluate(state) == before == ["message", before[1], "A draft", 7, "Write sixty lines · Chat"]
    assert page.locator("#shell").count() == page.locator("#menu").count() == 1 and page.locator("#standing").count() == 0


@pytest.fixture(params=["moveBefore", "append"])
def browsers(request: pytest.FixtureRequest, context: BrowserContext) -> BrowserContext:
    """One that moves elements as they are, and one that takes them out and puts them in, as Safari does."""
    if request.param == "append":
        context.add_init_script("for (const kind of [Element, Document, DocumentFragment]) delete kind.prototype.moveBefore;")
    return context


def test_selected_words_stay_selected_when_gradio_mounts(browsers: BrowserContext, site: Site) -> None:
    gradio = Held(browsers, site)
    page = gradio.page
    send(page, "Hi")
    settled(page)
    page.locator("#bot .bot.message p").dblclick(position={"x": 5, "y": 8})
    assert page.evaluate("String(getSelection()).trim()") == "Hello"
    gradio.come()
    assert page.evaluate("String(getSelection()).trim()") == "Hello"


def test_a_question_stays_in_front_when_gradio_mounts(browsers: BrowserContext, site: Site) -> None:
    gradio = Held(browsers, site)
    page = gradio.page
    page.evaluate("chatapp.ask('Delete it?', [{ text: 'Delete', danger: true }])")
    gradio.come()
    assert page.evaluate("[question.matches(':modal'), document.activeElement.textContent]") == [True, "Cancel"]


def test_nothing_moves_when_gradio_mounts(context: BrowserContext, site: Site) -> None:
    """Gradio's style reaches what stands before and after."""
    gradio = Held(context, site)
    page = gradio.page
    page.wait_for_function("chatapp.model.state === 'ready' && chatapp.list.sign && !meter.hidden && !document.getAnimations().length")
    look = """[...document.querySelectorAll("#shell *")].filter((node) => node.checkVisibility()).map((node) => {
      const { x, y, width, height } = node.getBoundingClientRect(), { font, color } = getComputedStyle(node);
      return [node.tagName, node.className.baseVal ?? node.className, x, y, width, height, font, color].join(" ");
    })"""
    before = page.evaluate(look)
    gradio.come()
    assert page.evaluate(look) == before


@pytest.mark.parametrize("gradios", [True, False], ids=["gradio", "no gradio"])
def test_the_page_of_xray_says_what_it_is(context: BrowserContext, site: Site, gradios: bool) -> None:
    if not gradios:
        context.route(GRADIOS, lambda route: route.abort())
    page = tab(context, f"{site.url}/xray", "gradio-app #page #xray" if gradios else "#standing #xray")
    expect(page).to_have_title("X-ray · Chat")
