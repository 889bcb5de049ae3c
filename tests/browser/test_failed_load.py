"""A model that could not be loaded: the start page says why, and whoever sits at the machine begins again with a click."""

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.models.sources import Source
from chatapp.resident.manager import ModelManager
from chatapp.settings import Settings
from chatapp.tasks import Progress
from tests.browser.conftest import launched, replies, send, settled
from tests.fixtures.engine import engine

WHY = "The file is cut short: 3 of 9 MB. Fetch it again."


class Disk:
    """Opens a model once somebody has mended its file."""

    def __init__(self) -> None:
        self.mended = False

    def open(self, source: Source, settings: Settings, progress: Progress) -> Engine:
        if not self.mended:
            raise ChatError(WHY)
        return engine()


def test_the_start_page_says_why_and_tries_again(context: BrowserContext, smol_gguf: Path, tmp_path: Path) -> None:
    disk = Disk()
    models = ModelManager(Settings(data_dir=tmp_path), find=lambda asked: Source("cut", "gguf", gguf=smol_gguf), open=disk.open)
    with launched(engine(), tmp_path, models=models) as site:
        models.start()
        page = context.new_page()
        page.goto(site.url)
        line, again = page.locator("#model-line"), page.locator("#model-line").get_by_role("button", name="Try again")
        expect(line).to_contain_text(f"The model could not be loaded. {WHY}")
        disk.mended = True
        again.click()
        expect(line).to_contain_text("scripted")
        expect(again).to_have_count(0)
        send(page, "Hi")
        settled(page)
        assert len(replies(page)) == 1
    models.close()
