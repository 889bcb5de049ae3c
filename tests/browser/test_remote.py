"""A model of another server on the page: typed, chosen, answered by, stopped, found again; what X-ray and Models show of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from transformers import AutoTokenizer

from chatapp.engines import open_engine
from chatapp.engines.base import Engine
from chatapp.models.servers import is_address
from chatapp.models.sources import Source, resolve
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.tasks import Progress
from tests.browser.conftest import Site, free_port, launched, replies, send, settled, tab
from tests.conftest import Scripted
from tests.openers import roomy
from tests.remotes import FakeRemote, over, remote, say


@pytest.fixture(scope="module")
def far() -> Iterator[FakeRemote]:
    with remote() as fake:
        yield fake


@pytest.fixture
def fake(far: FakeRemote) -> FakeRemote:
    """With its usual answer."""
    usual = FakeRemote()
    far.pieces, far.unknown, far.hold_after = usual.pieces, (), 0
    far.held.set()
    far.gone.clear()
    return far


@pytest.fixture(scope="module")
def mixed_site(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A model here, and whatever address is typed."""
    folder = tmp_path_factory.mktemp("mixed")

    def find(settings: Settings) -> Source:
        return (
            resolve(settings.model, data_dir=folder) if is_address(settings.model) else Source(settings.model, "hub", repo=settings.model)
        )

    def open(source: Source, settings: Settings, progress: Progress) -> Engine:
        return open_engine(source, settings, progress) if source.server else Scripted(AutoTokenizer.from_pretrained(tiny_llama))

    models = ModelManager(Settings(model="org/first", data_dir=folder), find=find, open=open, budget=roomy())
    models.start()
    with launched(None, folder, models=models) as site:
        yield site
    models.close()


@pytest.fixture
def page(context: BrowserContext, mixed_site: Site) -> Page:
    return tab(context, mixed_site.url, "body:not(.starting) #message")


@pytest.fixture
def talk(page: Page, fake: FakeRemote) -> Callable[[], Page]:
    """A page on which the server answers."""

    def chosen() -> Page:
        page.locator("#picker").click()
        page.get_by_label("Load another model").fill(fake.url)
        page.get_by_label("Load another model").press("Enter")
        expect(page.locator("#picker")).to_have_attribute("title", f"{fake.url} answers here")
        return page

    return chosen


def test_an_address_is_typed_and_the_server_answers(talk: Callable[[], Page], fake: FakeRemote) -> None:
    page, place = talk(), fake.origin.removeprefix("http://")
    expect(page.locator("#about")).to_contain_text("the exact request that another server was sent")
    expect(page.locator("#about")).not_to_contain_text("where it looked", use_inner_text=True)
    send(page, "Where?")
    settled(page)
    assert replies(page) == ["Hello world"]
    expect(page.locator("#bot")).to_contain_text("far · 3 tokens")
    expect(page.locator("#meter .words")).to_contain_text("about ")
    page.reload()
    settled(page)
    assert replies(page) == ["Hello world"]
    expect(page.locator("#picker")).to_contain_text("far")
    page.locator("#picker").click()
    expect(page.locator("#picker-list li", has_text="far")).to_contain_text(f"Answered by {place}")


def test_a_reply_is_stopped_kept_and_gone_on_with(talk: Callable[[], Page], fake: FakeRemote) -> None:
    page = talk()
    fake.pieces = [say(reasoning_content="Let me see"), say(content="Once upon"), say(content=" never"), over()]
    fake.hold_after = 2
    fake.held.clear()
    send(page, "A tale")
    expect(page.locator("#bot")).to_contain_text("Once upon")
    page.get_by_role("button", name="Stop").click()
    settled(page)
    assert fake.gone.wait(10), "the server sees it"
    fake.held.set()
    fake.hold_after, fake.pieces = 0, [say(content=" a time."), over()]
    page.get_by_role("button", name="Continue").first.click()
    settled(page)
    assert replies(page)[-1].endswith("Once upon a time.")
    expect(page.locator("#bot details").first).to_be_visible()  # its thoughts
    expect(page.locator("#bot")).to_contain_text("whether it went on from it or began anew")


def test_what_the_server_refuses_is_greyed_out_with_its_words(talk: Callable[[], Page], fake: FakeRemote) -> None:
    page = talk()
    fake.unknown = ("typical_p",)
    send(page, "Where?")
    settled(page)
    expect(page.locator("#value-typical_p")).to_be_disabled()
    expect(page.locator("#value-top_k")).to_be_enabled()


def test_xray_shows_the_request_and_the_servers_word(talk: Callable[[], Page], fake: FakeRemote) -> None:
    page = talk()
    send(page, "Where is it?")
    settled(page)
    page.get_by_role("button", name="X-ray: what the model saw and did").click()
    sent, heard = page.locator("#xray-body pre.x-text").nth(0), page.locator("#xray-body pre.x-text").nth(1)
    expect(sent).to_contain_text("Where is it?")
    assert json.loads(sent.inner_text()) == fake.asked[-1]
    assert json.loads(heard.inner_text())["usage"]["prompt_tokens"] == 40
    page.locator("#xray-tab-probabilities").click()
    expect(page.locator("#xray-body")).to_contain_text("another server, which gave words and no tokens")
    page.locator("#xray-tab-card").click()
    expect(page.locator("#xray-body")).to_contain_text("40 tokens, as the server counted")
    for name in ("Replay", "Replay anyway"):
        expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)


def test_the_page_models_takes_an_address_and_says_where_it_is_answered(
    context: BrowserContext, mixed_site: Site, fake: FakeRemote
) -> None:
    page = tab(context, f"{mixed_site.url}/models", "#loaded .loaded")
    page.locator("#search-hub input[name=text]").fill(f"{fake.url}#org/far")
    page.locator("#search-hub input[name=text]").press("Enter")
    row = page.locator("#loaded .loaded", has_text="#org/far").first
    expect(row).to_contain_text(f"far at {fake.origin.removeprefix('http://')}")
    expect(row).to_contain_text("another server")
    expect(row).to_contain_text("none here")
    expect(row.get_by_role("button", name="Save …")).to_have_count(0)
    nobody = f"http://127.0.0.1:{free_port()}/v1"
    page.locator("#search-hub input[name=text]").fill(nobody)
    page.locator("#search-hub input[name=text]").press("Enter")
    failed = page.locator("#loaded .failed", has_text=nobody)
    expect(failed).to_contain_text("cannot be reached")
    expect(failed.get_by_role("button", name="Try again")).to_be_visible()
    page.locator("#search-hub input[name=text]").fill("http://ann:secret@host/v1")
    page.locator("#search-hub input[name=text]").press("Enter")
    expect(page.locator("#found")).to_contain_text("must not hold a user and a password")
    failed.get_by_role("button", name="Dismiss").click()
    expect(failed).to_have_count(0)
