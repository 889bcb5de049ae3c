"""The page Models in Chromium: from a search to a chat with what was found; gates, tokens, failures, deleting."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from chatapp.models.hub import download, no_progress
from chatapp.models.sources import on_hub
from tests.browser.conftest import Site, launched, replies, send, settled
from tests.browser.test_page_guards import faults
from tests.conftest import Scripted
from tests.encoders import make_classifier
from tests.fakehub import FakeHub
from tests.fakerepo import safetensors
from tests.hubs import the_apps_own

HOSTILE = b"""---
license: apache-2.0
---
# A tiny model
<script>window.hacked = 1</script><img src="https://evil.example/p.png" onerror="window.hacked=1" alt="A cat">
<iframe src="https://evil.example"></iframe><div style="position:fixed;inset:0">over it</div>

| a | b |
|---|---|
| 1 | 2 |
"""
CARD = {"license": "apache-2.0", "language": ["en", "de"], "datasets": ["d/stories"]}


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Iterator[FakeHub]:
    with the_apps_own(tmp_path_factory.mktemp("cache")) as fake:
        files = {path.name: path.read_bytes() for path in tiny_llama.iterdir()} | {"README.md": HOSTILE}
        fake.add("org/tiny-chat", files, card=CARD, downloads=12_345, trending=3)
        fake.add("org/tiny-gated", files, card=CARD, gated="manual", readers=frozenset({"hf_of_ann"}), trending=2)
        fake.add("org/slow", files | {"model.safetensors": safetensors(2_000_000, 8_000_000)}, waits={"model.safetensors": 4_000_000})
        fake.add("org/huge", files | {"model.safetensors": safetensors(70_000_000_000)}, trending=1)
        fake.add("org/quantized", {"m.Q4.gguf": b"x" * 4000, "m.Q8.gguf": b"x" * 8000}, library="gguf", gguf={"architecture": "llama"})
        fake.add("org/judge", make_classifier(tmp_path_factory.mktemp("judge")), task="text-classification")
        fake.users["hf_of_ann"] = "ann"
        yield fake


@pytest.fixture(scope="module")
def own_site(fake: FakeHub, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An app of its own: another model is loaded in it."""
    from transformers import AutoTokenizer

    with launched(Scripted(AutoTokenizer.from_pretrained(tiny_llama)), tmp_path_factory.mktemp("models-site")) as site:
        yield site


@pytest.fixture
def open_models(context: BrowserContext, own_site: Site) -> Callable[..., Page]:
    def opened(name: str = "", theme: str = "light") -> Page:
        page = context.new_page()
        page.goto(f"{own_site.url}/models?__theme={theme}#{name}")
        expect(page.locator("#one-name" if name else "#here li").first).to_be_visible()
        return page

    return opened


def test_from_a_search_to_a_chat_with_what_was_found(open_models: Callable[..., Page], own_site: Site) -> None:
    page = open_models()
    page.get_by_role("searchbox").fill("tiny-chat")
    page.get_by_role("searchbox").press("Enter")
    row = page.locator('#found li[data-name="org/tiny-chat"]')
    expect(row).to_contain_text("apache-2.0 · 12.3 k downloads")
    expect(row).to_contain_text("fits here")
    row.get_by_role("link").click()
    expect(page.locator("#one-body")).to_contain_text("All views will work.")
    page.get_by_role("button", name="Download", exact=True).click()
    page.locator("#one-head").get_by_role("button", name="Load").click()
    page.get_by_role("button", name="All models").click()
    expect(page.locator("#loaded")).to_contain_text("org/tiny-chat")
    expect(page.locator("#loaded")).to_contain_text("direct on cpu")
    expect(page.locator('#here li[data-name="org/tiny-chat"]')).to_contain_text("loaded")
    page.locator(".loaded", has_text="org/tiny-chat").get_by_role("link", name="Chat with it").click()
    expect(page.locator("body:not(.starting) #message")).to_be_visible()
    page.locator("#value-temperature").fill("0")  # as random weights draw, they may end at once, or never
    page.locator("#value-max_tokens").fill("16")
    send(page, "Hello")
    settled(page)
    assert [bool(reply) for reply in replies(page)] == [True]
    expect(page.locator("#picker")).to_have_text("tiny-chat")


def test_a_classifier_is_found_fetched_and_classified_with_and_never_offered_for_a_chat(open_models: Callable[..., Page]) -> None:
    page = open_models()
    page.get_by_text("Narrow down").click()
    page.locator("#search-hub [name=task]").select_option(label="classifies text")
    page.get_by_role("button", name="Search").click()
    row = page.locator('#found li[data-name="org/judge"]')
    expect(row.locator(".badge").first).to_have_text("classifier")
    row.get_by_role("link").click()
    expect(page.locator("#one-body")).to_contain_text("it is chosen on the page Classify; it cannot chat")
    expect(page.get_by_role("heading", name="X-ray")).to_have_count(0)
    page.get_by_role("button", name="Download", exact=True).click()
    head = page.locator("#one-head")
    expect(head).to_contain_text("It gives a text one of 2 labels: negative, positive.")
    expect(head.get_by_role("button", name="Load")).to_have_count(0)
    expect(page.locator("#one-tabs")).to_contain_text("Architecture")
    page.get_by_role("button", name="All models").click()
    expect(page.locator('#here li[data-name="org/judge"]')).to_contain_text("classifier · fetched from the Hub")
    page.locator('#here li[data-name="org/judge"]').get_by_role("link", name="Classify with it").click()
    expect(page.get_by_label("Method and model")).to_have_value("org/judge")


def test_a_card_shows_its_words_and_runs_nothing(open_models: Callable[..., Page], own_site: Site, context: BrowserContext) -> None:
    foreign: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith((own_site.url, "data:")):
            foreign.append(request.url)

    context.on("request", note)
    page = open_models("org%2Ftiny-chat")
    card = page.locator(".card")
    expect(card.get_by_role("heading", name="A tiny model")).to_be_visible()
    expect(card.get_by_role("cell", name="2")).to_be_visible()
    expect(card.get_by_role("link", name="A cat")).to_have_attribute("href", "https://evil.example/p.png")
    page.get_by_text("What the card's head says").click()
    expect(page.locator("#one-body details")).to_contain_text("d/stories")
    assert page.evaluate("window.hacked") is None and page.locator(".card iframe, .card img").count() == 0
    assert foreign == []


def test_a_gated_model_asks_for_a_token_which_is_kept_for_this_browser(open_models: Callable[..., Page], fake: FakeHub) -> None:
    page = open_models("org%2Ftiny-gated")
    expect(page.locator(".refusal")).to_contain_text("Accept them at")
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator(".fetching")).to_contain_text("accept terms")
    page.get_by_role("button", name="All models").click()
    page.get_by_role("button", name="Type a token").click()
    page.get_by_label("Token of your Hub account").fill("hf_of_ann")
    page.get_by_label("Token of your Hub account").press("Enter")
    expect(page.locator("#account-line")).to_contain_text("The Hub knows you as ann")
    assert "hf_of_ann" not in page.content() and "hf_of_ann" not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
    page.go_back()
    expect(page.locator(".refusal")).to_have_count(0)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#one-head").get_by_role("button", name="Load")).to_be_visible()


def test_a_download_tells_how_far_it_is_survives_a_reload_and_is_cancelled(open_models: Callable[..., Page], fake: FakeHub) -> None:
    page = open_models("org%2Fslow")
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.locator(".fetching")).to_contain_text("of 8.0 MB")
    page.reload()
    expect(page.locator(".fetching")).to_contain_text("of 8.0 MB")
    expect(page.locator("#tasks-open")).to_contain_text("Download org/slow")
    page.locator(".fetching").get_by_role("button", name="Cancel").click()
    expect(page.locator(".fetching")).to_contain_text("It was cancelled")
    fake.repos["org/slow"].let_go.set()
    page.locator(".fetching").get_by_role("button", name="Dismiss").click()
    expect(page.locator(".fetching")).to_have_count(0)
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_visible()


def test_deleting_is_asked_with_what_it_frees(open_models: Callable[..., Page], fake: FakeHub) -> None:
    page = open_models("org%2Fquantized")
    smaller = page.locator('#one-body li[data-name="org/quantized:m.Q4.gguf"]')
    smaller.get_by_role("button", name="Download", exact=True).click()
    smaller.get_by_role("link", name="It is here").click()
    expect(page.locator("#one-name")).to_have_text("org/quantized:m.Q4.gguf")
    page.get_by_role("button", name="Delete …").click()
    expect(page.locator("#question")).to_contain_text("frees 0.0 MB on the disk. It can be fetched again.")
    page.locator("#question").get_by_role("button", name="Delete it").click()
    expect(page.locator("#overview")).to_be_visible()
    expect(page.locator("#here").get_by_role("link", name="org/quantized:m.Q4.gguf")).to_have_count(0)


def test_a_folder_that_is_refused_is_asked_for_again_with_why(open_models: Callable[..., Page], tmp_path: Path) -> None:
    page = open_models()
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    page.get_by_role("button", name="Save …").first.click()
    box = page.get_by_role("textbox", name="Folder")
    box.press("Enter")
    expect(page.locator("#question [role=alert]")).to_contain_text("Name the folder to save to")
    for path, said in ((tmp_path, "is not empty"), (file / "x", "notes.txt is a file")):
        box.fill(str(path))
        box.press("Enter")
        expect(page.locator("#question [role=alert]")).to_contain_text(said)
        expect(box).to_have_value(str(path))
    expect(box).to_be_focused()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#question")).to_be_hidden()


def test_enter_saves_and_does_not_ask_again(open_models: Callable[..., Page], tmp_path: Path) -> None:
    download(on_hub("org/judge"), no_progress)
    page = open_models("org%2Fjudge")
    page.locator("#one-head").get_by_role("button", name="Save …").click()
    page.get_by_role("textbox", name="Folder").fill(str(tmp_path / "kept"))
    page.get_by_role("textbox", name="Folder").press("Enter")
    expect(page.locator("#toasts")).to_contain_text("org/judge is being saved")
    expect(page.locator("#question")).to_be_hidden()


def test_what_is_not_there_and_a_silent_hub_are_said_in_their_place(open_models: Callable[..., Page], fake: FakeHub) -> None:
    page = open_models("org%2Fnone")
    expect(page.get_by_role("alert")).to_contain_text("org/none is not on the Hub, or is private")
    page.get_by_role("button", name="All models").click()
    fake.down = 404
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#found .refusal")).to_be_visible()
    fake.down = 0
    page.get_by_role("button", name="Try again").click()
    expect(page.locator('#found li[data-name="org/huge"]')).to_contain_text("too large here")


def test_an_address_that_is_pasted_opens_its_model(open_models: Callable[..., Page], fake: FakeHub) -> None:
    page = open_models()
    page.get_by_role("searchbox").fill(f"{fake.url}/org/tiny-chat/tree/main")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#one-name")).to_have_text("org/tiny-chat")
    page.get_by_role("button", name="All models").click()
    page.get_by_role("searchbox").fill("org/quantized")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#one-name")).to_have_text("org/quantized")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(width: int, theme: str, open_models: Callable[..., Page]) -> None:
    page = open_models(theme=theme)
    page.set_viewport_size({"width": width, "height": 1400})
    page.evaluate("innerWidth < 768 && chatapp.fold('left', true)")
    page.get_by_text("Narrow down").click()
    page.get_by_role("button", name="Search").click()
    expect(page.locator('#found li[data-name="org/huge"]')).to_be_visible()
    for name in ("", "org%2Ftiny-gated", "org%2Fquantized"):
        page.evaluate("(name) => { location.hash = name; }", name)
        if name:
            expect(page.get_by_role("heading", name="Its card")).to_be_visible()
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
