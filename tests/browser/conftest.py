"""A real launch with a scripted engine in this process, and Chromium to look at it."""

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from chatapp.chat.service import Chat
from chatapp.engines.base import Engine
from chatapp.lab.kept import all_runs
from chatapp.lab.train.runs import all_runs as all_trainings
from chatapp.pages.blocks import build, launch_options
from chatapp.pages.routes import app_options
from chatapp.resident.manager import ModelManager
from chatapp.server import auth
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.tasks import Tasks
from tests.conftest import Scripted

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Quiet and offline; no sandbox, because tests may run as root."""

PATIENCE = 30_000
"""Milliseconds: a machine that tests other things at the same time is slow."""

expect.set_options(timeout=PATIENCE)


@dataclass
class Site:
    """A running app and what is behind it."""

    url: str
    engine: Scripted
    chat: Chat
    store: Store
    tasks: Tasks

    def say(self, *words: str, delay: float = 0.0) -> None:
        """What the engine answers from now on, one token for each word."""
        self.engine.words, self.engine.delay = list(words), delay


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium. A missing one is a failure, not a skip."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "No Chromium was found. Install it: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@contextmanager
def launched(engine: Engine, data_dir: Path, logins: tuple[str, ...] = (), models: ModelManager | None = None) -> Iterator[Site]:
    """The app over this engine, or these models, on a port of its own."""
    settings = Settings(data_dir=data_dir, port=free_port(), auth=logins)
    store = Store.open(settings)
    models = models or ModelManager.of(engine)
    chat = Chat(models, store)
    demo = build(chat)
    demo.launch(
        server_port=settings.port,
        auth=auth.checker(settings.auth),
        prevent_thread_lock=True,
        app_kwargs=app_options(chat, models, settings, all_runs(models, settings), all_trainings(models.tasks, settings)),
        **launch_options(),
    )
    yield Site(f"http://127.0.0.1:{settings.port}", engine, chat, store, models.tasks)
    demo.close()
    store.close()


@pytest.fixture(scope="session")
def running_site(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    from transformers import AutoTokenizer

    engine = Scripted(AutoTokenizer.from_pretrained(tiny_llama), concurrency=2)
    with launched(engine, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(running_site: Site) -> Site:
    """The app with its usual answer. Every test has its own visitor, so its own conversations."""
    running_site.say("Hello", " ", "world")
    running_site.engine.hold = None
    running_site.engine.fail_after = None
    return running_site


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One visitor: own cookies, own storage."""
    made = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    made.set_default_timeout(PATIENCE)
    yield made
    made.close()


@pytest.fixture
def visit(context: BrowserContext, site: Site) -> Callable[..., Page]:
    """Open a tab and wait until the page can be used."""

    def opened(path: str = "/") -> Page:
        page = context.new_page()
        page.goto(site.url + path)
        expect(page.locator("body:not(.starting) #message")).to_be_visible()
        return page

    return opened


@pytest.fixture
def page(visit: Callable[..., Page]) -> Page:
    """A tab on the empty page."""
    return visit()


def tab(context: BrowserContext, address: str, ready: str, width: int = 1280, height: int = 800) -> Page:
    """A tab at this address, as soon as something that the selector `ready` finds can be seen."""
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    expect(page.locator(ready).first).to_be_visible()
    return page


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def send(page: Page, text: str) -> None:
    """Type and press Enter."""
    page.locator("#message").fill(text)
    page.locator("#message").press("Enter")


def replies(page: Page) -> list[str]:
    """The text of each reply, without its line."""
    return [text.strip("\u2060\n ") for text in said_in(page.locator("#bot .bot-row .bot.message"))]


def said_in(messages: Locator) -> list[str]:
    """The text of each. What no frame has found to be in sight yet has none for the browser."""
    return messages.evaluate_all(
        """(all) => all.map((one) => {
          one.closest(".exchange").style.contentVisibility = "visible";
          return one.innerText;
        })"""
    )


def first_held(page: Page, held: list[Route]) -> Route:
    """The first request that a test's route holds back. The page shows that it asks before the request reaches the route."""
    for _ in range(600):
        if held:
            return held[0]
        page.wait_for_timeout(50)
    raise AssertionError("The page sent no request within 30 s.")


def settled(page: Page) -> None:
    """Wait until nothing runs any more."""
    try:
        page.wait_for_function("!chatapp.doing && !chatapp.view.running")
    except PlaywrightTimeout as error:
        state = page.evaluate("JSON.stringify([chatapp.doing, chatapp.view, chatapp.model.state])")
        raise AssertionError(f"The page did not come to rest: {state}") from error
