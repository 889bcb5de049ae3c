"""What the page Compare asks: a grid that is read, begun and watched; its runs changed, deleted, and a reply taken on as a chat."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, replace

from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner, login_key
from chatapp.lab import grid_file
from chatapp.lab.grid import Column, Grid, PromptSpec
from chatapp.lab.judge import refuse_unknown
from chatapp.lab.kept import Runs, chat_of, note_chat, row_of
from chatapp.lab.lists import no_files
from chatapp.lab.rows import conversation_of, turn_of
from chatapp.models import catalog
from chatapp.pages import compare_view as view
from chatapp.pages.compare_following import Following, drawn
from chatapp.pages.compare_protocol import (
    CompareAsk,
    CompareBegin,
    CompareChat,
    CompareDo,
    CompareGrid,
    CompareHome,
    CompareModel,
    CompareNews,
    CompareOf,
    CompareOpen,
    CompareWatch,
)
from chatapp.pages.models_actions import is_same
from chatapp.pages.protocol import Done
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Asked
from chatapp.settings import Settings
from chatapp.turn import Turn

TICK = 0.12
"""Seconds between two views of a run: six columns are read by nobody faster."""

ANOTHER = 1.2
"""The temperature that a reply's own is compared with, where it is higher."""

GRIDS = (".yaml", ".yml")


class CompareActions:
    """POST /ui/compare and /ui/compare-…; each owner's runs are its own, and only the person at this machine loads models by them."""

    def __init__(self, chat: Chat, models: ModelManager, settings: Settings, runs: Runs) -> None:
        self.chat, self.models, self.settings, self.runs = chat, models, settings, runs
        self._taking_on = asyncio.Lock()

    async def home(self, owner: Owner, asked: Asked) -> Asked:
        CompareAsk.read(asked)
        slots = [slot for slot in self.models.slots() if slot.state != "failed"]
        first = self.models.first
        loaded = [CompareModel("" if slot is first else slot.id, slot.id, slot.state == "ready") for slot in slots]
        others = await asyncio.to_thread(self._others) if asked_here(self.settings) else []
        runs = await asyncio.to_thread(self.runs.listed, owner)
        return asdict(CompareHome([*loaded, *others], [asdict(run) for run in runs], login_key(owner)))

    async def open(self, owner: Owner, asked: Asked) -> Asked:
        ask = CompareOpen.read(asked)
        data = ask.text.encode()
        if ask.name.lower().endswith(GRIDS):
            return {"grid": grid_file.plain(await asyncio.to_thread(grid_file.parse, data, no_files))}
        return {"grid": {"prompts": await asyncio.to_thread(grid_file.listed, ask.name, data)}}

    async def grid(self, owner: Owner, asked: Asked) -> Asked:
        ask = CompareGrid.read(asked)
        return {"yaml": await asyncio.to_thread(lambda: grid_file.written(grid_file.read(ask.grid, no_files)))}

    async def of_turn(self, owner: Owner, asked: Asked) -> Asked:
        """The grid of a reply: its question, answered as it was, and with another temperature."""
        turn = await self.chat.turn(owner, CompareOf.read(asked).turn)
        wrote = self.models.wrote(turn)
        model = "" if wrote in (None, self.models.first) else wrote.id
        as_it_was = Column("as it was", model, turn.system, replace(turn.sampling, seed=None))
        other = replace(as_it_was.sampling, temperature=ANOTHER if turn.sampling.temperature < ANOTHER else 0.0)
        grid = Grid((PromptSpec(turn.user),), (as_it_was, replace(as_it_was, name=f"temperature {other.temperature:g}", sampling=other)))
        return {"grid": grid_file.plain(grid), "alone": turn.parent_id is None and not turn.history}

    async def begin(self, owner: Owner, asked: Asked) -> Asked:
        ask = CompareBegin.read(asked)
        grid = await asyncio.to_thread(grid_file.read, ask.grid, no_files)
        await asyncio.to_thread(refuse_unknown, self.models, grid.judge, may_load=asked_here(self.settings))
        title = ask.title or grid.questions()[0].text.partition("\n")[0]
        return {"id": self.runs.begin(owner, grid, title=title, may_load=asked_here(self.settings))}

    async def do(self, owner: Owner, asked: Asked) -> Asked:
        ask = CompareDo.read(asked)
        run = self.runs.running(owner, ask.id)
        match ask.do:
            case "go_on":
                self.runs.go_on(owner, ask.id, may_load=asked_here(self.settings))
            case "stop":
                await self.runs.stop(owner, ask.id)
            case "delete":
                await self.runs.delete(owner, ask.id)
            case "pause" | "column" if run is None:
                raise ChatError("This comparison has ended meanwhile.", status=409)
            case "pause":
                run.pause()
            case "column":
                run.stop_column(ask.column)
            case _:
                raise ChatError(f"The page asked for {ask.do!r}, which this version of the app does not know. Reload the page.", status=422)
        return {}

    async def go_on_as_chat(self, owner: Owner, asked: Asked) -> Asked:
        """A conversation of this one exchange, answered by the model that wrote it where that is known; the same one each time."""
        ask = CompareChat.read(asked)
        key = (ask.prompt, ask.column, ask.replica)
        row = await row_of(self.runs, owner, ask.id, key)
        async with self._taking_on:  # pressed twice, it is one chat
            if turn := await self._taken_on(owner, await asyncio.to_thread(chat_of, self.runs, owner, ask.id, key)):
                return asdict(Done(turn.conversation_id, turn.id))
            wrote = self.models.wrote(turn_of(row, owner))
            made = conversation_of(row, owner, wrote.id if wrote else None)
            await asyncio.to_thread(self.chat.store.conversations.add, owner, [made])
            await asyncio.to_thread(note_chat, self.runs, owner, ask.id, key, made.leaf)
        return asdict(Done(made.id, made.leaf))

    async def _taken_on(self, owner: Owner, turn: str) -> Turn | None:
        """As it is now; None where it was deleted meanwhile."""
        try:
            return await self.chat.turn(owner, turn) if turn else None
        except NotFound:
            return None

    async def watch(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        """Lines of CompareNews. It ends when nothing more will come; a paused run is watched on."""
        id = CompareWatch.read(asked).id
        run = self.runs.running(owner, id)
        title = next((kept.title for kept in await asyncio.to_thread(self.runs.listed, owner) if kept.id == id), "Comparison")
        grid, rows = (run.results.grid, []) if run else await asyncio.to_thread(self.runs.read, owner, id)
        yield view.brief(CompareNews(head=view.head(title, grid)))
        if run:
            following = Following(run)
            while self.runs.running(owner, id) is run:
                async for line in following.lines():
                    yield line
                await asyncio.sleep(TICK)
            async for line in following.cells():
                yield line
            rows = list(run.rows.values())
        else:
            async for line in drawn(rows):
                yield line
        notes, problem = (run.notes, run.task.error if run.task.state == "failed" else "") if run else ([], "")
        state = view.rested(grid, rows, notes, problem)
        result, pictures = await asyncio.to_thread(lambda: (view.result(grid, rows), view.pictures(grid, rows)))
        yield view.brief(CompareNews(state=state, result=result, pictures=pictures, done=True))

    def _others(self) -> list[CompareModel]:
        """Models on this machine that are not in memory."""
        slots = self.models.slots()
        known = catalog.here(self.settings.data_dir, named=[slot.settings.model for slot in slots])
        ids = [slot.known.id for slot in slots if slot.known]
        writing = [model for model in known if not model.problem and model.use.purpose == "chat"]
        others = [model for model in writing if not any(is_same(model, id) for id in ids)]
        shown = catalog.told_apart(others)
        return [CompareModel(model.name, shown[model.name], False) for model in others]
