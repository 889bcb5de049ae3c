"""X-ray as a person uses it, over a real tiny Llama: every view clicked through, by mouse, by keyboard, by address."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect

from chatapp.engines.direct.engine import DirectEngine
from chatapp.settings import Settings
from tests.browser.conftest import Site, launched, send, settled
from tests.directs import endless

VIEWS = ("prompt", "probabilities", "attention", "layers", "model", "tokenizer", "card")
SHOWN = {
    "prompt": ".x-cells .kind-special",
    "probabilities": "#x-detail .x-steps section",
    "attention": ".x-thumb.on",
    "layers": ".x-lens td.hit",
    "model": ".x-tree details",
    "tokenizer": ".x-column .x-cell",
    "card": ".x-card tr",
}
"""What each view shows when it is complete."""


@pytest.fixture(scope="session")
def llama_site(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app over a real model, so that X-ray can look into it."""
    engine = DirectEngine(endless(tiny_llama), Settings(threads=1))
    engine._ends = frozenset()
    with launched(engine, tmp_path_factory.mktemp("llama")) as site:
        yield site
    engine.close()


@pytest.fixture
def talk(context: BrowserContext, llama_site: Site) -> Callable[..., Page]:
    """A tab with one greedy reply of a few tokens."""

    def opened(path: str = "/", tokens: int = 12) -> Page:
        page = context.new_page()
        page.goto(llama_site.url + path)
        expect(page.locator("body:not(.starting) #message")).to_be_visible()
        page.evaluate("chatapp.fold('right', false)")
        for name, value in (("max_tokens", tokens), ("temperature", 0)):
            knob = page.locator(f"#knob-{name} input[type=number]")
            knob.fill(str(value))
            knob.press("Enter")
        send(page, "Where is Paris? 🫠")
        settled(page)
        return page

    return opened


@pytest.fixture
def drawer(talk: Callable[..., Page]) -> Page:
    """X-ray open beside that reply."""
    page = talk()
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    expect(page.locator(SHOWN["prompt"]).first).to_be_visible()
    return page


def show(page: Page, view: str) -> None:
    page.locator(f"#xray-tab-{view}").click()
    expect(page.locator(SHOWN[view]).first).to_be_visible()
    expect(page.locator("#xray-status")).to_be_hidden()


def test_every_view_shows_itself_with_its_sentence_and_no_error(drawer: Page) -> None:
    errors: list[str] = []
    drawer.on("pageerror", lambda error: errors.append(str(error)))
    for view in VIEWS:
        show(drawer, view)
        assert len(drawer.locator("#xray-about").inner_text()) > 40
        assert drawer.locator("#xray-body .x-why").count() == 0
        assert not re.search(r"\b(null|undefined|NaN)\b", drawer.locator("#xray-body").inner_text()), view
    assert errors == []


def test_nothing_is_asked_of_another_host(context: BrowserContext, drawer: Page, llama_site: Site) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    for view in VIEWS:
        show(drawer, view)
    assert asked and all(url.startswith((llama_site.url, "data:", "blob:", "about:")) for url in asked)


def test_the_prompt_names_roles_and_every_token(drawer: Page) -> None:
    expect(drawer.locator(".x-legend")).to_contain_text("user")
    drawer.get_by_text("Every token: id, spelling").click()
    expect(drawer.locator(".x-table tbody tr").first).to_contain_text("<|im_start|>")
    assert drawer.locator(".x-cells sup").count() == 1, "the emoji is one cell with its parts"


def test_probabilities_paint_at_once_and_a_token_shows_its_draw(drawer: Page) -> None:
    drawer.evaluate(
        "() => { const t = performance.now(); document.querySelector('#xray-tab-probabilities').click();"
        " new MutationObserver((_, o) => { if (document.querySelector('#xray-body .x-cell')) { window.first = performance.now() - t;"
        " o.disconnect(); } }).observe(document.querySelector('#xray-body'), {childList: true, subtree: true}); }"
    )
    show(drawer, "probabilities")
    assert drawer.evaluate("window.first") < 2000  # 300 ms on an idle machine; chatapp.bench --xray measures it
    drawer.locator("#xray-body .x-cells .x-cell").nth(3).click()
    expect(drawer.locator('#x-detail[data-at="3"] h3')).to_contain_text("Token 4")
    expect(drawer.locator(".x-outcome")).to_contain_text("Greedy")


def test_a_view_that_was_left_on_its_way_is_asked_for_again(drawer: Page) -> None:
    drawer.evaluate(
        "() => { new MutationObserver((_, o) => { if (document.querySelector('#xray-body .x-cell')) { o.disconnect();"
        " document.querySelector('#xray-tab-model').click(); } }).observe(document.querySelector('#xray-body'), {childList: true});"
        " document.querySelector('#xray-tab-probabilities').click(); }"
    )
    expect(drawer.locator(SHOWN["model"]).first).to_be_visible()
    show(drawer, "probabilities")
    expect(drawer.locator("#xray-body p.x-facts")).to_contain_text("perplexity")


def test_a_slider_replays_the_draw(drawer: Page) -> None:
    show(drawer, "probabilities")
    slider = drawer.locator('input[data-knob="temperature"]')
    slider.focus()
    for _ in range(20):
        slider.press("ArrowRight")
    expect(drawer.locator(".x-outcome")).to_contain_text("drawn at random")
    expect(drawer.locator(".x-step h4").nth(1)).to_contain_text("top-k")
    drawer.get_by_role("button", name="As it was").click()
    expect(drawer.locator(".x-outcome")).to_contain_text("Greedy")


def test_a_click_on_an_alternative_branches_there(drawer: Page) -> None:
    show(drawer, "probabilities")
    drawer.locator("#xray-body .x-cells .x-cell").nth(0).click()
    expect(drawer.locator('#x-detail[data-at="0"] h3')).to_be_visible()
    other = drawer.locator(".x-step").first.locator("li button").nth(1)
    token = int(re.search(r"\d+", other.get_attribute("title"))[0])
    other.click()
    drawer.get_by_role("button", name="Branch here").click()
    expect(drawer.locator(".versions")).to_contain_text("2/2")
    settled(drawer)
    drawer.get_by_role("button", name="X-ray: what the model saw and did").click()
    show(drawer, "prompt")
    given = drawer.evaluate("chatapp.xray.data.prompt.rows.filter((row) => row.kind === 'prefill').map((row) => row.id)")
    assert given == [token]


def test_a_head_is_chosen_and_a_token_pointed_at(drawer: Page) -> None:
    show(drawer, "attention")
    drawer.get_by_role("button", name="Layer 0, head 2").click()
    expect(drawer.locator(".x-head h3")).to_have_text("Layer 0, head 2")
    drawer.locator(".x-links").hover(position={"x": 60, "y": 5 * 19 + 8})
    expect(drawer.locator(".x-told")).to_contain_text("looks at")
    drawer.locator(".x-matrix").hover(position={"x": 3, "y": 100})
    expect(drawer.locator(".x-told")).to_contain_text("%")
    drawer.get_by_label("layers").fill("1")
    expect(drawer.locator(".x-form output")).to_contain_text("million weights")
    drawer.get_by_role("button", name="Look").click()
    expect(drawer.locator(".x-thumb")).to_have_count(4)


def test_two_models_and_two_tokenizers_stand_side_by_side(drawer: Page, tiny_gpt2: Path) -> None:
    show(drawer, "attention")
    drawer.get_by_role("textbox", name="compare with").fill(str(tiny_gpt2))
    drawer.get_by_role("button", name="Look").click()
    drawer.get_by_role("button", name=re.compile("^Load .*gpt2")).click()
    expect(drawer.locator(".x-column")).to_have_count(2, timeout=30_000)
    expect(drawer.locator(".x-column").nth(1)).to_contain_text(tiny_gpt2.name)
    show(drawer, "tokenizer")
    drawer.get_by_role("textbox", name="compare with").fill(str(tiny_gpt2))
    drawer.get_by_role("button", name="Cut into tokens").click()
    expect(drawer.locator(".x-column")).to_have_count(3)
    expect(drawer.locator(".x-column").nth(1)).to_contain_text("byte-level BPE")
    expect(drawer.locator(".x-column").nth(2)).to_contain_text("Cut by characters")


def test_bertviz_draws_in_its_frame(drawer: Page) -> None:
    pytest.importorskip("bertviz")
    show(drawer, "attention")
    drawer.get_by_text("The tutorial's bertviz views").click()
    for kind in ("Head", "Model"):
        drawer.get_by_role("button", name=f"{kind} view").click()
        frame = drawer.frame_locator(f'iframe[title="bertviz {kind.lower()} view"]')
        expect(frame.locator("svg").first).to_be_visible(timeout=30_000)


def test_layers_move_along_the_reply(drawer: Page, talk: Callable[..., Page]) -> None:
    show(drawer, "layers")
    expect(drawer.get_by_role("button", name="Later tokens")).to_be_disabled()
    assert drawer.locator(".x-form-line").count() == 12
    longer = talk(tokens=20)
    longer.get_by_role("button", name="X-ray: what the model saw and did").click()
    show(longer, "layers")
    longer.get_by_role("button", name="Later tokens").click()
    expect(longer.locator(".x-form-line")).to_have_count(4)


def test_neighbours_of_a_token(drawer: Page) -> None:
    show(drawer, "model")
    drawer.get_by_label("token id").fill("50")
    drawer.get_by_role("button", name="Find neighbours").click()
    expect(drawer.locator("#x-near li")).to_have_count(10)


def test_pasted_text_is_cut_read_and_searched(drawer: Page) -> None:
    show(drawer, "tokenizer")
    drawer.get_by_label("Text to look at").fill("The capital of France is Paris.")
    drawer.get_by_role("button", name="Cut into tokens").click()
    expect(drawer.locator(".x-column .x-facts").first).to_contain_text("31 characters")
    drawer.get_by_role("button", name="Perplexity", exact=True).click()
    expect(drawer.locator("#x-read")).to_contain_text("bits per byte")
    drawer.get_by_role("button", name="Probabilities", exact=True).click()
    expect(drawer.locator("#x-read")).not_to_contain_text("bits per byte")  # what was asked for before is gone
    drawer.locator("#x-read .heat").nth(2).click()
    expect(drawer.locator("#x-read .x-bars li").first).to_be_visible()
    drawer.get_by_label("find in the vocabulary").fill("an")
    drawer.get_by_label("find in the vocabulary").press("Enter")
    expect(drawer.locator("#x-found .x-entry").first).to_contain_text("an")


def test_a_replay_says_that_all_tokens_are_the_same(drawer: Page) -> None:
    show(drawer, "card")
    drawer.get_by_role("button", name="Replay", exact=True).click()
    expect(drawer.locator("#x-replay .x-good")).to_have_text("All 12 tokens are the same.")
    drawer.get_by_role("button", name="Compare the engine's record").click()
    expect(drawer.locator("#x-measure")).to_contain_text("12 tokens compared")


def test_escape_closes_and_the_focus_returns(drawer: Page) -> None:
    expect(drawer.locator("#xray-tab-prompt")).to_be_focused()
    drawer.keyboard.press("Escape")
    expect(drawer.locator("#xray")).to_be_hidden()
    expect(drawer.get_by_role("button", name="X-ray: what the model saw and did")).to_be_focused()
    assert "xray=" not in drawer.url


def test_arrow_keys_walk_the_tabs_and_the_tokens(drawer: Page) -> None:
    drawer.keyboard.press("ArrowRight")
    expect(drawer.locator(SHOWN["probabilities"]).first).to_be_visible()
    expect(drawer.locator("#xray-tab-probabilities")).to_be_focused()
    drawer.locator("#xray-body .x-cells .x-cell").first.focus()
    drawer.keyboard.press("ArrowRight")
    drawer.keyboard.press("Enter")
    expect(drawer.locator('#x-detail[data-at="1"] h3')).to_contain_text("Token 2")
    drawer.locator("#xray-tab-probabilities").focus()
    drawer.keyboard.press("ArrowLeft")
    drawer.keyboard.press("ArrowLeft")
    expect(drawer.locator("#xray-tab-card")).to_be_focused()


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_has_an_address_in_the_drawer_and_on_its_own_page(drawer: Page, view: str) -> None:
    drawer.evaluate("(view) => chatapp.xray.show(view)", view)
    drawer.reload()
    expect(drawer.locator(SHOWN[view]).first).to_be_visible()
    assert f"view={view}" in drawer.url
    turn = re.search(r"xray=(\w+)", drawer.url)[1]
    drawer.goto(re.sub(r"\?.*", "", drawer.url) + f"xray?turn={turn}&view={view}")
    expect(drawer.locator(SHOWN[view]).first).to_be_visible()


def test_the_turn_of_somebody_else_is_not_found(drawer: Page, browser, llama_site: Site) -> None:
    turn = re.search(r"xray=(\w+)", drawer.url)[1]
    stranger = browser.new_context().new_page()
    stranger.goto(f"{llama_site.url}/xray?turn={turn}")
    expect(stranger.locator("#xray-body .x-why")).to_be_visible()
    expect(stranger.locator("#xray-body")).not_to_contain_text("Paris")
    stranger.context.close()


def test_the_chat_stays_in_sight_beside_the_drawer(drawer: Page) -> None:
    edge = drawer.locator("#xray").bounding_box()["x"]
    for part in ("#bot .user-row .user.message", "#message", "#bot .bot-row .facts"):
        box = drawer.locator(part).first.bounding_box()
        assert box["x"] + box["width"] <= edge, part


def test_a_view_is_copied_as_json_and_saved_as_png(context: BrowserContext, drawer: Page) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    for view in ("probabilities", "attention", "model"):
        show(drawer, view)
        drawer.get_by_role("button", name="Copy this view as JSON").click()
        expect(drawer.locator("#xray-status")).to_contain_text("Copied")
        assert json.loads(drawer.evaluate("navigator.clipboard.readText()"))
        with drawer.expect_download() as saved:
            drawer.get_by_role("button", name="Save this view as PNG").click()
        picture = Path(saved.value.path()).read_bytes()
        assert saved.value.suggested_filename.startswith(f"xray-{view}") and picture.startswith(b"\x89PNG") and len(picture) > 5000


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_view(talk: Callable[..., Page], theme: str) -> None:
    page = talk(f"/?__theme={theme}")
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    for view in VIEWS:
        show(page, view)
        page.wait_for_timeout(200)
        found = Axe().run(page, context="#xray").response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:160]) for v in found if v["impact"] in ("serious", "critical")] == [], view


def test_a_phone_shows_every_view_without_scrolling_sideways(drawer: Page) -> None:
    drawer.set_viewport_size({"width": 390, "height": 844})
    for view in VIEWS:
        show(drawer, view)
        assert drawer.locator("#xray").evaluate("(box) => box.scrollWidth <= box.clientWidth"), view
        assert drawer.evaluate("document.documentElement.scrollWidth <= innerWidth"), view
