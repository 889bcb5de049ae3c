"""Watching: what a page does not have yet of the model's state, the list and one conversation, as lines, until nothing runs."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import asdict, is_dataclass
from functools import lru_cache
from typing import Any

from chatapp.chat.service import Chat
from chatapp.errors import NotFound
from chatapp.identity import Owner, login_key
from chatapp.markdown import Growing
from chatapp.models.identity import ModelId, made_by, told_apart
from chatapp.pages import panel, view
from chatapp.pages.drawing import coalesced
from chatapp.pages.protocol import Grown, Line, More, News, Path, Row, Watch
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.server.door import Asked, Door
from chatapp.store import Outline
from chatapp.turn import Turn

TICK = (0.004, 1.0)
"""Seconds between two views of a running reply: the page says what it can keep up with, within these."""

SETTLED = ("ready", "failed", "unloaded")

LOADING = 0.25
"""Seconds between two looks at a model that is loading."""

MOST_ROWS = 10_000

READABLE = 0.2
"""Seconds for which the numbers under a running reply stand: each change is text that a browser measures and paints."""


class Watcher:
    """POST /ui/watch and /ui/list."""

    def __init__(self, chat: Chat, models: ModelManager) -> None:
        self.chat = chat
        self.models = models

    async def list(self, owner: Owner, asked: Asked) -> Asked:
        ask = More.read(asked)
        return await self.rows(owner, ask.query, ask.rows)

    async def watch(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        """Lines of News. The first brings the page up to date; the last one has `done`."""
        reader = Reader(self, owner, Watch.read(asked))
        while True:
            if news := await reader.news():
                yield news
            if reader.running is not None:
                async for grown in reader.grown(reader.running):
                    yield grown
            elif all(slot.state in SETTLED for slot in self.models.slots()):
                break
            else:
                await asyncio.sleep(LOADING)
        yield brief(News(done=True))

    async def rows(self, owner: Owner, query: str, rows: int) -> dict[str, Any]:
        """The first rows, newest first, how many there are, and the query that they answer."""
        found = await asyncio.to_thread(self.chat.store.conversations.listed, owner, query, min(max(rows, 1), MOST_ROWS))
        total = len(found) if query.strip() else await asyncio.to_thread(self.chat.store.conversations.count, owner)
        return signed({"query": query, "total": total, "rows": [asdict(summary) for summary in found]})


class Reader:
    """One page that watches: what it has, and what it lacks."""

    def __init__(self, watcher: Watcher, owner: Owner, ask: Watch) -> None:
        self.watcher, self.chat, self.owner, self.ask = watcher, watcher.chat, owner, ask
        self.model, self.list, self.version = ask.model, ask.list, ask.have
        self.rows: dict[str, str] = {}  # what it has of each row, by sign
        self.running: str | None = None
        self.looked: tuple[Any, ...] = ()
        self.slot = watcher.models.remembered(ask.pick) or watcher.models.first
        self.made: frozenset[ModelId] = frozenset()  # the models that wrote here
        self.told: tuple[Any, ...] = ()  # what the last line of the running reply said besides its numbers
        self.told_at = 0.0

    async def news(self) -> Asked:
        """What changed since the last time; {} for nothing."""
        path = await self._path()
        rows = await self.watcher.rows(self.owner, self.ask.query, self.ask.rows)
        changed, self.list = rows["sign"] != self.list, rows["sign"]
        return brief(News(self._status(), rows if changed else None, path))

    def _status(self) -> dict[str, Any] | None:
        """The model's state, where it is another one."""
        models = self.watcher.models
        can = self.slot.loaded and self.slot.loaded.capabilities  # a server may refuse a setting at any reply
        before, self.looked = self.looked, (self.slot, can, *((slot.id, slot.state, slot.step) for slot in models.slots()))
        if self.looked == before:
            return None
        choice = {"known": [asdict(row) for row in panel.known(models)], "loads": asked_here(models.settings)}
        status = signed({**panel.status(self.slot), **choice, "login": login_key(self.owner)})
        changed, self.model = status["sign"] != self.model, status["sign"]
        return status if changed else None

    async def _path(self) -> Path | None:
        if self.ask.conversation is None:
            return self._nothing(missing=False)
        try:
            if self.version and not self.rows and await self._same():
                return None
            store, outline = await self.chat.outline(self.owner, self.ask.conversation)
        except NotFound:
            self.running = None
            return self._nothing(missing=True)
        self.running = next((turn.id for turn in outline.turns if turn.running), None)
        self.slot = self._answers(outline.model)
        self.version = self._version(outline.version)
        return await self._shown(outline, store is not self.chat.store) if outline.turns else self._nothing(missing=False)

    async def _same(self) -> bool:
        """Nothing runs, and the page has the latest version: then no turn is read."""
        if self.chat.running(self.owner, self.ask.conversation):
            return False
        owner, id = self.owner, self.ask.conversation
        _, (version, model) = await self.chat.stores.look(lambda store: (store.version(owner, id), store.conversations.model(owner, id)))
        self.slot = self._answers(model)
        return self._version(version) == self.version

    def _answers(self, model: str | None) -> ModelSlot:
        """Who answers next in a conversation that remembers this model."""
        return self.watcher.models.remembered(model) or self.watcher.models.first

    def _version(self, version: str) -> str:
        """Another one, too, when another model answers: what is remembered may have come, or gone."""
        return f"{version} {sign(self.slot.id)}"

    def _nothing(self, *, missing: bool) -> Path | None:
        """A new chat, or one that is gone."""
        before, self.version = self.version, NEW
        return Path(missing=missing) if before != NEW or missing else None

    async def _shown(self, outline: Outline, temporary: bool) -> Path:
        self.made = outline.made
        positions = {turn.id: self.chat.position(turn.id) for turn in outline.turns if turn.running}
        rows = await asyncio.to_thread(view.rows, outline, positions, self.slot.state == "loading")
        last = outline.turns[-1]
        return Path(
            conversation=self.ask.conversation,
            version=self.version,
            title=outline.title,
            system=last.system,
            temporary=temporary,
            order=[row.id for row in rows],
            rows=[row for row in rows if self._lacks(row)],
            running=self.running,
            unsaved=self.chat.unsaved(last.id),
            answers=self.slot.id,
            own=self._own(outline),
        )

    def _own(self, outline: Outline) -> str:
        """The model that a conversation was written with, where that is not known here: a name that can be loaded.

        What came in from another program names no versions of ours: its `gpt-4` can be loaded nowhere.
        """
        models, last = self.watcher.models, outline.turns[-1]
        if outline.model:
            return "" if models.remembered(outline.model) else outline.model
        first = models.first.known
        other = last.versions and last.model and first and made_by(last).compare(first.id) == "other"
        return str(made_by(last)) if other and not models.wrote(last) else ""

    def _lacks(self, row: Row) -> bool:
        before, self.rows[row.id] = self.rows.get(row.id), sign(asdict(row))
        return before != self.rows[row.id]

    async def grown(self, turn_id: str) -> AsyncIterator[Asked]:
        """The running reply, each time it grew, at the page's pace; ends with it."""
        growing, shown = Growing(), ""
        tick = min(max(self.ask.tick, TICK[0]), TICK[1])
        with suppress(NotFound):  # deleted meanwhile
            async with aclosing(coalesced(self.chat.follow(self.owner, turn_id), tick)) as turns:
                async for turn in turns:
                    if not turn.reply.startswith(shown):
                        growing, shown = Growing(), ""
                    more, shown = turn.reply[len(shown) :], turn.reply
                    yield brief(News(model=self._status(), grown=self._grown(turn, growing.grow(more) if more else [])))

    def _grown(self, turn: Turn, blocks: list[tuple[int, str]]) -> Grown:
        return Grown(turn.id, self._line(turn), blocks, self.chat.unsaved(turn.id))

    def _line(self, turn: Turn) -> Line | None:
        """None where it would say nothing but other numbers than a moment ago, which nobody could read."""
        position, loading, now = self.chat.position(turn.id), self.slot.state == "loading", time.monotonic()
        said = (turn.running, not turn.reply, len(turn.prompt_ids), turn.timings.first_token is None, position, loading)
        if said == self.told and now - self.told_at < READABLE:
            return None
        self.told, self.told_at = said, now
        return view.line(turn, [turn.id], 0, position, loading, names_of(self.made | {made_by(turn)}))


@lru_cache
def names_of(made: frozenset[ModelId]) -> dict[ModelId, str]:
    """Asked again and again while a reply grows."""
    return told_apart(made)


NEW = "new"
"""The version of a chat in which nothing was said."""


def sign(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def signed(value: dict[str, Any]) -> dict[str, Any]:
    """With a `sign` that another value does not have."""
    return {**value, "sign": sign(value)}


def brief(news: News) -> Asked:
    """Without what did not change."""
    return {name: asdict(value) if is_dataclass(value) else value for name, value in vars(news).items() if value}


def add(door: Door, chat: Chat, models: ModelManager) -> None:
    """Hang watching on the door."""
    watcher = Watcher(chat, models)
    door.streams["watch"] = watcher.watch
    door.actions["list"] = watcher.list
