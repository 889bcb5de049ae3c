"""What the page Any text asks: which models there are, and a text through one or two of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict

from chatapp.identity import Owner, login_key
from chatapp.models import catalog
from chatapp.models.files.sentence import LONGEST
from chatapp.pages.models_actions import NOT_HERE, is_same
from chatapp.pages.text_protocol import TextAsk, TextLook, TextModel, TextModels, TextTokens
from chatapp.pages.xray_page import told
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Asked
from chatapp.settings import Settings
from chatapp.xray.text import cut
from chatapp.xray.text.service import TextService
from chatapp.xray.text.which import Found, find, is_encoder, refuse_count


class TextActions:
    """POST /ui/text, /ui/text-tokens and /ui/text-look. One text is cut at a time: each starts processes."""

    def __init__(self, models: ModelManager, settings: Settings, service: TextService) -> None:
        self.models = models
        self.settings = settings
        self.service = service
        self._one = asyncio.Semaphore(1)

    async def listed(self, owner: Owner, asked: Asked) -> Asked:
        TextAsk.read(asked)
        local = asked_here(self.settings)
        loaded = [
            TextModel(slot.id, slot.info.model, True, False) for slot in self.models.slots() if slot.state == "ready" and not slot.remote
        ]
        others = await asyncio.to_thread(self._others) if local else []
        return asdict(TextModels([*loaded, *others], LONGEST, "" if local else NOT_HERE, login_key(owner)))

    async def tokens(self, owner: Owner, asked: Asked) -> Asked:
        ask = TextTokens.read(asked)
        found = await self.found(ask.models)
        async with self._one:
            return await asyncio.to_thread(cut.tokens, found, ask.text, self.settings.data_dir)

    async def look(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        ask = TextLook.read(asked)
        found = await self.found(ask.models)
        async with aclosing(told(self.service.look(ask.view, ask.text, found, ask.asked, load=ask.load))) as lines:
            async for line in lines:
                yield line

    async def found(self, names: list[str]) -> list[Found]:
        """The models that were named. Raises ChatError for one that is not here, or not the asker's to see."""
        refuse_count(names)
        return [await find(self.models, str(name), local=asked_here(self.settings)) for name in names]

    def _others(self) -> list[TextModel]:
        """Models on this machine that are not in memory."""
        slots = self.models.slots()
        known = catalog.here(self.settings.data_dir, named=[slot.settings.model for slot in slots])
        loaded = [slot.info.id for slot in slots if slot.state == "ready"]
        others = [model for model in known if not model.use.unread and not any(is_same(model, id) for id in loaded)]
        held = {one.place for one in self.models.copies.unserved("encoder")}
        return [TextModel(model.name, model.label, model.place in held, is_encoder(model.place)) for model in others]
