"""What the page Models asks of the Hub: searching, a model's card, fetching it, and as whom. Always by the server, never by the browser."""

import asyncio
from dataclasses import asdict
from functools import partial

from chatapp.engines.room import room
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.markdown import blocks
from chatapp.models.accounts import Account, Accounts
from chatapp.models.card_text import as_markdown
from chatapp.models.described import can, count, facts
from chatapp.models.downloads import Downloads
from chatapp.models.fits import Fit
from chatapp.models.hub_access import Hub
from chatapp.models.hub_card import HubCard, card
from chatapp.models.memory import gigabytes
from chatapp.models.search import Found, pasted, search
from chatapp.models.servers import is_address, server_of
from chatapp.models.sign_in import START
from chatapp.models.sources import Source, on_hub
from chatapp.pages.hub_protocol import (
    ChoiceRow,
    HubAccount,
    HubRow,
    ModelCard,
    ModelCardAsk,
    ModelDownload,
    ModelsAccount,
    ModelSearch,
    ModelsFound,
    ModelsSignOut,
    ModelsToken,
    ViewRow,
)
from chatapp.pages.models_actions import ModelsActions, uses
from chatapp.pages.models_protocol import Fits
from chatapp.resident.admission import asked_here
from chatapp.server.door import Asked
from chatapp.xray.support import supported, why_not

AT_ONCE = 4
"""Questions to the Hub at a time, of everybody together."""


class HubActions:
    """POST /ui/models-search, -card, -download, -account, -token and -signout. `signs`: visitors can sign in, as they can on a Space."""

    def __init__(self, actions: ModelsActions, downloads: Downloads, accounts: Accounts, *, signs: bool = False) -> None:
        self.settings = actions.settings
        self.demand = actions.demand
        self.downloads = downloads
        self.accounts = accounts
        self.signs = signs
        self._asking = asyncio.Semaphore(AT_ONCE)

    async def search(self, owner: Owner, asked: Asked) -> Asked:
        ask, hub = ModelSearch.read(asked), self.hub(owner)
        if named := pasted(ask.text, hub):
            return asdict(ModelsFound([], named, False))
        if is_address(ask.text):
            return asdict(ModelsFound([], server_of(ask.text).id, False))
        async with self._asking:
            rows = await asyncio.to_thread(lambda: [hub_row(found) for found in search(ask, room(self.settings), hub)])
        return asdict(ModelsFound(rows, "", len(rows) == ask.rows))

    async def card(self, owner: Owner, asked: Asked) -> Asked:
        source, hub = self.source(ModelCardAsk.read(asked).name), self.hub(owner)
        async with self._asking:
            return asdict(await asyncio.to_thread(lambda: shown(source, card(source.repo, source.revision, room(self.settings), hub), hub)))

    async def download(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelDownload.read(asked)
        self.demand()
        task = self.downloads.begin(self.source(ask.name), partial(self.accounts.hub, owner, local=self.local))
        return {"task": task.id}

    async def account(self, owner: Owner, asked: Asked) -> Asked:
        ModelsAccount.read(asked)
        return await self._said(owner)

    async def token(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelsToken.read(asked)
        self.demand()
        await asyncio.to_thread(self.accounts.type, owner, ask.token)
        return await self._said(owner)

    async def sign_out(self, owner: Owner, asked: Asked) -> Asked:
        ModelsSignOut.read(asked)
        self.accounts.sign_out(owner)
        return await self._said(owner)

    async def _said(self, owner: Owner) -> Asked:
        found = await asyncio.to_thread(self.accounts.account, owner, local=self.local)
        return asdict(said(found, signs=self.signs))

    @property
    def local(self) -> bool:
        """Does whoever asks sit at this machine, whose account is the machine's own?"""
        return asked_here(self.settings)

    def hub(self, owner: Owner) -> Hub:
        return self.accounts.hub(owner, local=self.local)

    def source(self, name: str) -> Source:
        """The model of the Hub with this name. Raises ChatError for all others."""
        source = on_hub(name)
        if source is None:
            raise ChatError(f"{name[:100]!r} is no name of a model on the Hub. One looks like org/name.", status=404)
        return source


def hub_row(found: Found) -> HubRow:
    return HubRow(
        name=found.repo,
        size=count(found.parameters) if found.parameters else "",
        licence=found.licence,
        gate=found.gate,
        downloads=count(found.downloads),
        likes=count(found.likes),
        created=found.created,
        languages=list(found.languages),
        can=can(found),
        xray=why_not(found.config) if found.use.purpose == "chat" else "",
        fit=fits(found.fit),
        use=uses(found.use),
    )


def shown(source: Source, card: HubCard, hub: Hub) -> ModelCard:
    """A card for the page. Its text is a stranger's: it becomes HTML as a model's words do."""
    views = [ViewRow(one.label, one.works, one.words) for one in supported(card)]
    choices = [ChoiceRow(one.name, one.file, gigabytes(one.bytes), fits(one.fit)) for one in card.choices]
    return ModelCard(
        name=source.name,
        address=f"{hub.address}/{source.repo}",
        facts=[*facts(card.about), ("Files", f"{card.files[0]}, {gigabytes(card.files[1])} together"), ("Commit", card.commit)],
        can=can(card.about),
        views=views,
        choices=choices,
        problem=card.problem,
        closed=card.closed,
        front=list(card.front),
        blocks=blocks(as_markdown(card.text)),
        use=uses(card.about.use),
    )


def fits(fit: Fit) -> Fits:
    return Fits(fit.verdict, fit.words)


def said(account: Account, *, signs: bool) -> HubAccount:
    signed = account.origin == "space"
    way = f".{START}" if signs and not signed else ""
    return HubAccount(account.name, account.words, account.origin == "typed", account.problem, signed, way)
