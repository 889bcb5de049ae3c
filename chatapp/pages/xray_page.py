"""X-ray in the page: its place, and what it asks through the door. The drawing is in assets/xray*.js."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import gradio as gr

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.pages.protocol import LoadModel, Look, Shown
from chatapp.server.door import Asked, Door
from chatapp.tasks import Step
from chatapp.xray.service import XrayService
from chatapp.xray.steps import Answers
from chatapp.xray.whose import Unsure

ADDRESS = "xray"
DRAWER = '<aside id="xray" aria-label="X-ray of a reply"><div id="xray-root"></div></aside>'
WHOLE = '<main id="xray" class="whole"><div id="xray-root"></div></main>'


def build_page(demo: gr.Blocks) -> None:
    """The page /xray?turn=…: X-ray alone, over the whole width."""
    with demo.route("X-ray", f"/{ADDRESS}"):
        gr.HTML(WHOLE, elem_id="page", apply_default_css=False, js_on_load="chatapp.mounted(element)")


class XrayActions:
    """POST /ui/xray and /ui/xray-load."""

    def __init__(self, service: XrayService) -> None:
        self.service = service

    async def look(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        ask = Look.read(asked)
        async with aclosing(
            told(self.service.look(owner, ask.view, ask.turn, ask.asked, temporary=ask.temporary, anyway=ask.anyway))
        ) as lines:
            async for line in lines:
                yield line

    async def load(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        ask = LoadModel.read(asked)
        async with aclosing(told(self.service.load(owner, ask.turn, ask.model))) as lines:
            async for line in lines:
                yield line


async def told(answers: Answers) -> AsyncIterator[Asked]:
    """Answers as lines of `Shown`. In front of a refusal stands what can be done about it."""
    async with aclosing(answers) as items:
        try:
            async for item in items:
                yield brief(Shown(item.words, item.share) if isinstance(item, Step) else Shown(data=item))
        except ChatError as error:
            offer, anyway = getattr(error, "offer", ""), isinstance(error, Unsure)
            if offer or anyway:
                yield brief(Shown(offer=offer, anyway=anyway))
            raise
    yield brief(Shown(done=True))


def brief(shown: Shown) -> dict[str, Any]:
    """Without what it does not say."""
    return {name: value for name, value in vars(shown).items() if value is not None and value is not False and value != ""}


def add(door: Door, service: XrayService) -> None:
    """Hang X-ray on the door."""
    actions = XrayActions(service)
    door.streams |= {"xray": actions.look, "xray-load": actions.load}
