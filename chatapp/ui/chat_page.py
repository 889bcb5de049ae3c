"""The chat: one event comes in from the page, views of one conversation go out until nothing runs in it any more."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from chatapp import loose
from chatapp.admission import asked_from
from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.errors import ChatError, NotFound
from chatapp.removing import remove
from chatapp.store import Store
from chatapp.turn import Sampling, Turn
from chatapp.ui import panel, view
from chatapp.ui.drawing import HEARTBEAT, Drawing, coalesced
from chatapp.ui.polite import polite
from chatapp.ui.sidebar import Sidebar
from chatapp.ui.widgets import sent
from chatapp.web.security import address_of, login_key, owner_of

STEP = 0.05
STEP_PER_MESSAGE = 0.003
"""Seconds between two views of a running reply: the page renders one in about a millisecond per message."""

LOADING, SETTLED = 0.25, 1.0
"""Seconds between two looks at the model's state."""

LINGER = 3.0
"""Seconds for which a tab's stream stays open after the last thing done in it.

Gradio closes a stream that has nothing pending, and an answer whose event was accepted just then waits for the tab's next event: so
not at once. Not for ever either: a browser has six connections for all tabs of one host, and a seventh stream would block them all.
"""


@dataclass(frozen=True)
class Ask:
    """What the page asks for. Nothing in it is trusted: the store checks the owner of every id.

    `leaf` is the last turn the page shows, `nonce` comes back with the answer.
    """

    owner: str
    do: str
    conversation: str | None = None
    turn: str = ""
    leaf: str | None = None
    text: str = ""
    keep_children: bool = False
    temporary: bool = False
    position: int = 0
    token: int = 0
    query: str = ""
    nonce: str = ""
    system: str = ""
    knobs: tuple[Any, ...] = ()

    @classmethod
    def of(cls, data: Any, owner: str, system: str, knobs: Sequence[Any]) -> "Ask":
        """From the loose values a browser sent: unknown names and wrong types are left out."""
        given = data if isinstance(data, dict) else {}
        names = ("do", "conversation", "turn", "leaf", "text", "query", "nonce")
        texts = {n: loose.text(v) for n in names if isinstance(v := given.get(n), str) and v}
        flags = {n: given.get(n) is True for n in ("keep_children", "temporary")}
        numbers = {n: v for n in ("position", "token") if isinstance(v := given.get(n), int)}
        settings = tuple(loose.text(v) if isinstance(v, str) else v for v in knobs)
        return cls(owner=owner, system=loose.text(system or ""), knobs=settings, **{"do": "", **texts, **flags, **numbers})

    @property
    def order(self) -> int:
        """Which event of its tab this is; a nonce ends in '.<count>'."""
        number = self.nonce.rpartition(".")[2]
        return int(number) if number.isdecimal() and len(number) < 16 else 0

    def sampling(self) -> Sampling:
        """The sliders as one validated value."""
        return panel.sampling(self.knobs)


@dataclass
class Shown:
    """The visible path of one conversation and what the page adds to it."""

    ask: Ask
    ok: bool
    conversation: str | None = None
    temporary: bool = False
    turns: list[Turn] = field(default_factory=list)
    versions: dict[str, list[str]] = field(default_factory=dict)

    @property
    def running(self) -> int | None:
        """Index of the turn that is being written, or is the next to be."""
        return next((n for n, turn in enumerate(self.turns) if turn.running), None)

    def rail(self, positions: dict[str, int | None]) -> dict[str, Any]:
        """Everything about the path except its replies' text, for the page's script."""
        return {
            "conversation": self.conversation,
            "temporary": self.temporary if self.turns else self.ask.temporary,
            "leaf": self.turns[-1].id if self.turns else None,
            "running": None if self.running is None else self.turns[self.running].id,
            "nonce": self.ask.nonce,
            "did": self.ask.do,
            "ok": self.ok,
            **view.slots(self.turns, self.versions, positions),
        }


@dataclass
class Tab:
    """A browser tab while something goes on in it: its newest event, which alone draws, and when something was last done in it."""

    drawing: Drawing | None = None
    watches: int = 0
    active: float = field(default_factory=time.monotonic)

    @property
    def drawn(self) -> bool:
        """Is everything shown?"""
        return self.drawing is None or self.drawing.ended.is_set()

    @property
    def idle(self) -> bool:
        """Nothing was done or shown in it for LINGER seconds."""
        return self.drawn and time.monotonic() - self.active > LINGER


class ChatPage:
    """Handlers of the chat. `tabs` by Gradio's session hash."""

    def __init__(self, chat: Chat, resident: Resident, sidebar: Sidebar) -> None:
        self.chat = chat
        self.resident = resident
        self.sidebar = sidebar
        self.tabs: dict[str, Tab] = {}
        self.doing: dict[str, Callable[[Ask], Awaitable[str | None]]] = {
            "open": self.open,
            "refresh": self.open,
            "send": self.send,
            "regenerate": self.regenerate,
            "edit": self.edit,
            "continue": self.resume,
            "stop": self.stop,
            "branch": self.branch,
            "version": self.version,
            "remove": self.remove,
        }

    async def act(self, event: gr.EventData, request: gr.Request, system: str, *knobs: Any) -> AsyncIterator[Any]:
        """Do one thing, then show the conversation until nothing runs in it. Yields (rail, transcript, sidebar, system prompt)."""
        ask = Ask.of(event._data, owner_of(request), system, knobs)
        drawing, tab = Drawing(ask.order), self.tab(request)
        asked_from.set(address_of(request, ask.owner))
        try:
            done = await self.do(ask)
            await self.take_over(tab, drawing)
            shown = await self.load(ask, done.conversation if done else ask.conversation, ok=done is not None)
            async for drawn in self.draw(shown, drawing):
                if drawing.over:
                    break
                yield drawn
            # Gradio sends the last value once more at the end: make that nothing, or it would overwrite a newer view.
            yield tuple(gr.skip() for _ in range(4))
        finally:
            drawing.ended.set()
            tab.active = time.monotonic()

    def tab(self, request: gr.Request) -> Tab:
        """Where this event comes from; something is done there."""
        tab = self.tabs.setdefault(request.session_hash or "", Tab())
        tab.active = time.monotonic()
        return tab

    async def take_over(self, tab: Tab, drawing: Drawing) -> None:
        """From here on only the newest event of a tab draws. Waits until the one before has handed over its last view:

        Gradio prepares views in threads, and a late one of the old event would overwrite the first of the new one.
        """
        before = tab.drawing
        if before and before.order > drawing.order:
            drawing.over = True
            return
        tab.drawing = drawing
        if before:
            before.over = True
            before.wake.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(before.ended.wait(), HEARTBEAT)

    @polite
    async def do(self, ask: Ask) -> Ask:
        """Run the asked action. Returns the ask with the conversation to show."""
        if ask.do not in self.doing:
            raise ChatError(f"The page asked for {ask.do!r}, which this version does not know. Reload the page.")
        async with self.chat.shelves.explained(ask.owner, ask.conversation if ask.temporary else None):
            conversation = await self.doing[ask.do](ask)
        return Ask(**{**ask.__dict__, "conversation": conversation})

    async def load(self, ask: Ask, conversation: str | None, *, ok: bool) -> Shown:
        """The visible path, running replies live. A conversation that is gone shows as a new one."""
        shown = Shown(ask, ok)
        if conversation is None:
            return shown
        try:
            shown.turns = await self.chat.path(ask.owner, conversation)
            store, shown.versions = await self.chat.shelves.look(lambda store: versions(store, ask.owner, shown.turns))
        except NotFound:
            return Shown(ask, ok)
        shown.conversation = conversation if shown.turns else None
        shown.temporary = bool(shown.turns) and store is not self.chat.store
        return shown

    async def draw(self, shown: Shown, drawing: Drawing) -> AsyncIterator[tuple[Any, ...]]:
        """One view at once, then one for every change of what runs in the conversation, until nothing does."""
        yield self.picture(shown, await self.rows(shown), self.system_of(shown))
        while (running := shown.running) is not None:
            step = max(STEP, STEP_PER_MESSAGE * 2 * len(shown.turns))
            with suppress(NotFound):  # deleted since it was read
                async for turn in coalesced(self.chat.follow(shown.ask.owner, shown.turns[running].id), step, drawing.wake):
                    shown.turns[running] = turn
                    yield self.picture(shown)
            shown = await self.load(shown.ask, shown.conversation, ok=True)
            yield self.picture(shown, await self.rows(shown))

    def picture(self, shown: Shown, side: Any = None, system: Any = None) -> tuple[Any, ...]:
        """The outputs of `act`."""
        positions = {turn.id: self.chat.position(turn.id) for turn in shown.turns if turn.running}
        unsaved = self.chat.unsaved(shown.turns[-1].id) if shown.turns else ""
        rail = {**shown.rail(positions), "unsaved": unsaved}
        return sent(rail), view.transcript(shown.turns), gr.skip() if side is None else sent(side), gr.skip() if system is None else system

    async def rows(self, shown: Shown) -> dict[str, Any]:
        """The list beside the conversation."""
        return await self.sidebar.rows(shown.ask.owner, shown.ask.query)

    def system_of(self, shown: Shown) -> str | None:
        """Opening a conversation brings its system prompt back."""
        return loose.text(shown.turns[-1].system) if shown.ask.do == "open" and shown.turns else None

    # actions: each returns the conversation to show

    async def open(self, ask: Ask) -> str | None:
        if ask.conversation:
            await self.chat.path(ask.owner, ask.conversation)
        return ask.conversation

    async def send(self, ask: Ask) -> str:
        where = {"parent_id": ask.leaf} if ask.conversation and ask.leaf else {}
        turn = await self.chat.send(
            ask.owner,
            ask.text,
            conversation_id=ask.conversation,
            system=ask.system,
            sampling=ask.sampling(),
            keep=not ask.temporary,
            **where,
        )
        return turn.conversation_id

    async def regenerate(self, ask: Ask) -> str:
        return (await self.chat.regenerate(ask.owner, ask.turn, sampling=ask.sampling(), system=ask.system)).conversation_id

    async def edit(self, ask: Ask) -> str:
        turn = await self.chat.edit(ask.owner, ask.turn, ask.text, sampling=ask.sampling(), system=ask.system)
        return turn.conversation_id

    async def resume(self, ask: Ask) -> str:
        return (await self.chat.resume(ask.owner, ask.turn, sampling=ask.sampling())).conversation_id

    async def branch(self, ask: Ask) -> str:
        """Go on from another token that the model could have taken, beside the reply."""
        return (await self.chat.branch(ask.owner, ask.turn, ask.position, ask.token, sampling=ask.sampling())).conversation_id

    async def stop(self, ask: Ask) -> str | None:
        await self.chat.stop(ask.owner, ask.turn)
        return ask.conversation

    async def version(self, ask: Ask) -> str | None:
        await self.chat.shelves.look(lambda store: store.select(ask.owner, ask.turn))
        return ask.conversation

    async def remove(self, ask: Ask) -> str | None:
        await remove(self.chat, ask.owner, ask.turn, keep_children=ask.keep_children)
        return ask.conversation

    async def measure(self, event: gr.EventData, request: gr.Request, system: str, *knobs: Any) -> str:
        """The context meter: what the next message would need, in tokens. Empty while that cannot be said; Send then says why."""
        self.tab(request)
        if self.resident.state != "ready":
            return sent({})
        ask = Ask.of(event._data, owner_of(request), system, knobs)
        try:
            budget = await self.chat.meter.budget(ask.owner, ask.conversation, ask.text, system=ask.system, sampling=ask.sampling())
        except ChatError:
            return sent({})
        return sent({name: getattr(budget, name) for name in ("used", "reserved", "context", "dropped", "over")})

    async def watch_model(self, request: gr.Request) -> AsyncIterator[tuple[Any, ...]]:
        """State of the model, whenever it changes, while it is loading or something goes on in the tab. Yields (status, *knobs)."""
        session, tab = request.session_hash or "", self.tab(request)
        whose = {"tab": session, "login": login_key(owner_of(request))}
        tab.watches += 1
        mine, shown = tab.watches, None
        try:
            while mine == tab.watches:
                status = panel.status(self.resident)
                if status != shown:
                    shown = status
                    limits = panel.limited(self.resident.engine.capabilities) if status["state"] == "ready" else panel.untouched()
                    yield (sent({**status, **whose}), *limits)
                settled = status["state"] in ("ready", "failed")
                if settled and tab.idle:
                    break
                await asyncio.sleep(SETTLED if settled else LOADING)
        finally:
            if mine == tab.watches and tab.drawn:
                self.tabs.pop(session, None)


def versions(store: Store, owner: str, turns: Sequence[Turn]) -> dict[str, list[str]]:
    """Turn id → the ids of its versions. Raises NotFound when this store does not hold them."""
    return {turn.id: store.versions(owner, turn.id) for turn in turns}
