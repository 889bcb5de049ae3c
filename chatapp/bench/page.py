"""From token to screen in Chromium: a clock in the model's place writes the time, the page says how old it is when it is drawn.

Ours beside Gradio's own ChatInterface, by turns, in a conversation of one message and in one of many, with the browser's processor time.
Needs playwright and Chromium.
"""

import asyncio
import json
import os
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import gradio as gr
import psutil

from chatapp.bench.processes import Tree, free_port
from chatapp.chat.service import Chat
from chatapp.engines.base import Capabilities
from chatapp.engines.text import end_ids
from chatapp.engines.tokens import ChatTokenizer
from chatapp.errors import ChatError
from chatapp.lab.kept import all_runs
from chatapp.lab.train.runs import all_runs as all_trainings
from chatapp.models.info import ModelInfo
from chatapp.models.sources import resolve
from chatapp.pages.blocks import build, launch_options
from chatapp.pages.routes import app_options
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.turn import Event, Finish, Prefilled, Token

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from transformers import PreTrainedTokenizerBase

STAMPS, PACE = 80, 0.0125
"""Tokens of a measured reply and seconds between them: 80 tokens a second."""

MANY = 50
"""Messages of the long conversation, questions and replies."""

END = "the-end"
WATCH = """(box) => {
  window.ages = [];
  const seen = new Set();
  new MutationObserver(() => {
    const now = Date.now(), text = document.querySelector(box).textContent;
    for (const [stamp] of text.slice(-6000).matchAll(/T\\d{13}/g)) {
      if (seen.has(stamp)) continue;
      seen.add(stamp);
      requestAnimationFrame(() => window.ages.push(Date.now() - Number(stamp.slice(1))));
    }
  }).observe(document.querySelector(box), { childList: true, subtree: true, characterData: true });
}"""
"""The age of each stamp in the frame that draws it, in milliseconds."""


class Clock:
    """Writes the time in the place of a model: STAMPS times at PACE for "clock", else one short sentence."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", people: int = 1) -> None:
        self.tokenizer = tokenizer
        self.info = ModelInfo("clock", "", 0, 32_768, "cpu", "none", "a benchmark", "clock")
        self.capabilities = Capabilities(32_768, tuple(Sampling().steps()), concurrency=people)
        self.tokens = ChatTokenizer(tokenizer, end_ids(tokenizer), 32_768)
        self.render, self.budget = self.tokens.render, self.tokens.budget

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        yield Prefilled(reused=0)
        async for number, word in ticking("clock" in self.tokenizer.decode(prompt_ids[-40:])):
            yield Token(1000 + number, word, -0.5)
        yield Finish("end")

    def close(self) -> None:
        """Nothing to free."""


async def ticking(measured: bool) -> AsyncIterator[tuple[int, str]]:
    """(number, word) of one reply."""
    for number in range(STAMPS if measured else 0):
        await asyncio.sleep(PACE)
        yield number, f"T{time.time_ns() // 1_000_000} "
    yield STAMPS, END if measured else "A short answer of a few words."


@dataclass
class Seen:
    """What was measured of one page and length: ages of the stamps in milliseconds, and the browser's processor seconds for each reply."""

    ages: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main(settings: Settings, repeats: int) -> int:
    """`python -m chatapp.bench --page`. The last line is JSON, with its `ratios`."""
    seen: dict[tuple[str, int], Seen] = {}
    with ours(settings) as app, demo() as chat_interface:
        for _ in range(repeats):
            for length in (1, MANY):
                for name, site in (("ours", app), ("chat_interface", chat_interface)):
                    with chromium() as browser:
                        measure(browser, *site, length, seen.setdefault((name, length), Seen()))
    print(
        f"From token to screen, milliseconds: median / 95th percentile of {repeats} replies of {STAMPS} tokens at {1 / PACE:.0f} a second"
    )
    for (name, length), one in seen.items():
        screen = f"{median(one.ages):.0f} / {quantiles(one.ages, n=20)[-1]:.0f}"
        print(f"{name:<16}{length:>3} messages   {screen:<12} browser {median(one.cpu):.2f} processor seconds for the reply")
    print(json.dumps({"page": {f"{name} {length}": vars(one) for (name, length), one in seen.items()}, "ratios": ratios(seen)}))
    return 0


def ratios(seen: dict[tuple[str, int], Seen]) -> dict[str, float]:
    """Ours over Gradio's ChatInterface, and our many messages over one; medians."""
    screen = {key: median(one.ages) for key, one in seen.items()}
    cpu = {key: median(one.cpu) for key, one in seen.items()}
    ours_, theirs = "ours", "chat_interface"
    found = {f"screen_vs_chatinterface_{n}": screen[ours_, n] / screen[theirs, n] for n in (1, MANY)}
    found |= {f"cpu_vs_chatinterface_{n}": cpu[ours_, n] / cpu[theirs, n] for n in (1, MANY)}
    return found | {"fifty_vs_one": screen[ours_, MANY] / screen[ours_, 1], "fifty_vs_one_cpu": cpu[ours_, MANY] / cpu[ours_, 1]}


@contextmanager
def chromium() -> Iterator:
    """A browser. Raises ChatError with what to install."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        raise ChatError("No Chromium was found, in which pages are measured. Install it: apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ChatError("Measuring pages needs playwright: pip install -r requirements-bench.txt") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def measure(browser, url: str, box: str, entry: str, length: int, seen: Seen) -> None:
    """One conversation of `length` messages, of which the last reply is measured."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(url)
    page.locator(entry).wait_for()
    for number in range(1, length // 2):
        say(page, entry, f"Question {number}?", page.get_by_text("A short answer").nth(number - 1))
    page.evaluate(WATCH, box)
    before = browser_seconds()
    say(page, entry, "What does the clock say?", page.get_by_text(END).first)
    seen.cpu.append(browser_seconds() - before)
    seen.ages += page.evaluate("window.ages")


def browser_seconds() -> float:
    """Processor time of the browser that this process started."""
    started = [p for p in psutil.Process(os.getpid()).children(recursive=True) if "chrom" in p.name()]
    tops = [p for p in started if "chrom" not in (p.parent().name() if p.parent() else "")]
    return sum(Tree(p.pid).cpu_seconds() for p in tops)


def say(page: "Page", entry: str, text: str, answer) -> None:
    """Send one message and wait for the end of its reply."""
    page.locator(entry).fill(text)
    page.locator(entry).press("Enter")
    answer.wait_for()


@contextmanager
def ours(settings: Settings, people: int = 1) -> Iterator[tuple[str, str, str]]:
    """The app with a clock for a model, which answers so many people at once: (URL, its messages, its text box)."""
    from transformers import AutoTokenizer

    from chatapp.bench.__main__ import folder_of

    source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
    models = ModelManager.of(Clock(AutoTokenizer.from_pretrained(folder_of(source, settings)), people))
    with tempfile.TemporaryDirectory() as data:
        alone = Settings(data_dir=Path(data), port=free_port())
        store = Store.open(alone)
        chat = Chat(models, store)
        page = build(chat)
        given = app_options(chat, models, alone, all_runs(models, alone), all_trainings(models.tasks, alone))
        page.launch(server_port=alone.port, prevent_thread_lock=True, app_kwargs=given, **launch_options())
        yield f"http://127.0.0.1:{alone.port}", "#bot", "body:not(.starting) #message"
        page.close(verbose=False)
        store.close()


@contextmanager
def demo() -> Iterator[tuple[str, str, str]]:
    """Gradio's ChatInterface as its guide writes it, over the same clock."""

    async def answer(message: str, history: list) -> AsyncIterator[str]:
        text = ""
        async for _, word in ticking("clock" in message):
            text += word
            yield text

    port = free_port()
    page = gr.ChatInterface(answer, analytics_enabled=False)
    page.launch(server_port=port, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield f"http://127.0.0.1:{port}", "[role=log]", "textarea"
    page.close(verbose=False)
