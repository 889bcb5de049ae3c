"""The whole flow with the embedded model: the app as its own process, as `make run` starts it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from playwright.sync_api import Error as PlaywrightError

from tests.browser.conftest import free_port, replies, send, settled

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LOADING = 240_000
"""Milliseconds: the first start converts or reads the model, on a busy machine."""


@contextmanager
def app(data: Path, port: int) -> Iterator[subprocess.Popen]:
    """`python app.py` until the block ends; a polite kill then."""
    command = [sys.executable, "app.py", "--port", str(port), "--data-dir", str(data), "--threads", "2"]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"}, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def opened(page: Page, url: str) -> None:
    """Open the page as soon as the server answers, long before the model is there."""
    end = time.monotonic() + 60
    while True:
        try:
            page.goto(url)
            break
        except PlaywrightError as error:  # the server does not listen yet
            if time.monotonic() > end:
                raise AssertionError(f"{url} did not answer within a minute") from error
            time.sleep(0.3)
    expect(page.locator("#welcome")).to_be_visible()


def said(page: Page, characters: int) -> None:
    """Wait until the first reply has more characters than this."""
    page.wait_for_function(f"document.querySelector('#bot .bot-row .bot.message')?.innerText.trim().length > {characters}", timeout=60_000)


def test_a_conversation_with_the_embedded_model(context: BrowserContext, tmp_path: Path) -> None:
    port = free_port()
    page, url = context.new_page(), f"http://127.0.0.1:{port}/"
    with app(tmp_path, port) as process:
        opened(page, url)
        expect(page.locator("#model-line")).to_contain_text("SmolLM2", timeout=LOADING)
        send(page, "Write a very long story about a lighthouse.")
        said(page, 40)
        page.locator('#send[aria-label="Stop"]').click()
        settled(page)
        stopped = replies(page)[0]
        assert len(stopped) > 20
        expect(page.locator("#bot .facts")).to_contain_text("stopped by you")
        page.get_by_role("button", name="Regenerate").click()
        expect(page.locator(".versions")).to_contain_text("2/2")
        page.reload()
        expect(page.locator(".versions")).to_contain_text("2/2")
        page.wait_for_function("chatapp.view.leaf && !chatapp.view.running", timeout=120_000)
        page.locator("#bot .user-row").hover()
        page.get_by_role("button", name="Edit", exact=True).click()
        page.get_by_role("textbox", name="Edit the message").fill("What is the capital of France?")
        page.keyboard.press("Enter")
        expect(page.locator(".versions")).to_contain_text("3/3", timeout=60_000)
        page.wait_for_function("chatapp.view.leaf && !chatapp.view.running", timeout=120_000)
        answer = replies(page)[0]
        assert answer and answer != stopped
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    with app(tmp_path, port):
        opened(page, f"{url}?c=unknown")
        page.locator("#conversations .open").click()
        expect(page.locator(".versions")).to_contain_text("3/3")
        assert replies(page) == [answer]
        expect(page.locator("#model-line")).to_contain_text("SmolLM2", timeout=LOADING)
        for number, country in enumerate(("Italy", "Spain"), 1):
            send(page, f"And of {country}?")
            page.wait_for_function(f"chatapp.view.order.length > {number} && !chatapp.view.running", timeout=120_000)
        expect(page.locator("#bot .facts").last).to_have_attribute("title", re.compile("prompt tokens reused"))


def test_a_polite_kill_in_the_middle_keeps_the_reply_and_offers_to_continue(context: BrowserContext, tmp_path: Path) -> None:
    port = free_port()
    page, url = context.new_page(), f"http://127.0.0.1:{port}/"
    with app(tmp_path, port):
        opened(page, url)
        expect(page.locator("#model-line")).to_contain_text("SmolLM2", timeout=LOADING)
        send(page, "Write a very long story about a lighthouse.")
        said(page, 60)
        seen = replies(page)[0]
    with app(tmp_path, port):
        page = context.new_page()
        opened(page, url)
        page.locator("#conversations .open").click()
        expect(page.locator("#bot .facts")).to_contain_text("interrupted by a restart")
        assert replies(page)[0].startswith(seen[:40])
        expect(page.get_by_role("button", name="Continue", exact=True)).to_be_visible()
