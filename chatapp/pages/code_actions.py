"""What Copy as code asks, in a chat and on the page Compare. Where a model lies on this machine is said to the person at it alone."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict

from chatapp.chat.service import Chat
from chatapp.errors import ChatError, NotFound
from chatapp.identity import Owner
from chatapp.lab.code.cells import Cell, notebook, script
from chatapp.lab.code.columns import of_column, of_grid
from chatapp.lab.code.origin import Origin, origin
from chatapp.lab.code.reply import of_turn
from chatapp.lab.grid import Grid
from chatapp.lab.kept import Runs, row_of
from chatapp.lab.rows import Row, failed, turn_of
from chatapp.pages.code_protocol import Code, CodeOf, CompareCode
from chatapp.resident.admission import asked_here
from chatapp.server.door import Asked, Door
from chatapp.settings import Settings


class CodeActions:
    """POST /ui/code and /ui/compare-code."""

    def __init__(self, chat: Chat, settings: Settings, runs: Runs) -> None:
        self.chat, self.settings, self.runs = chat, settings, runs

    async def of_turn(self, owner: Owner, asked: Asked) -> Asked:
        ask = CodeOf.read(asked)
        turn = await self.chat.turn(owner, ask.turn)
        if turn.running:
            raise ChatError("This reply is still being written. Copy it as code when it is done, or after Stop.", status=409)
        where = self._where()
        return await _written("reply", ask.notebook, lambda: of_turn(turn, where(turn.model, turn.revision, turn.dtype)))

    async def of_run(self, owner: Owner, asked: Asked) -> Asked:
        ask = CompareCode.read(asked)
        run = self.runs.running(owner, ask.id)
        grid, rows = await asyncio.to_thread(self.runs.read, owner, ask.id)
        rows = list(run.rows.values()) if run else rows
        where = self._where()
        if not ask.column:
            return await _written("grid", ask.notebook, lambda: of_grid(grid, lambda name: self._named(where, name)))
        if ask.prompt is None:
            return await _written("column", ask.notebook, lambda: self._column(where, grid, rows, ask.column))
        turn = turn_of(await row_of(self.runs, owner, ask.id, (ask.prompt, ask.column, ask.replica)), owner)
        return await _written("reply", ask.notebook, lambda: of_turn(turn, where(turn.model, turn.revision, turn.dtype)))

    def _where(self) -> Callable[[str, str, str], Origin]:
        """(name, revision, dtype) → where a program finds that model, for whoever asks."""
        data_dir = self.settings.data_dir if asked_here(self.settings) else None
        return lambda name, revision, dtype: origin(name, revision, dtype, data_dir)

    def _named(self, where: Callable[[str, str, str], Origin], name: str) -> Origin:
        """As a grid names it: '' is the first model, and a short name one that is known here."""
        slot = self.chat.models.get(name) if name else self.chat.models.first
        return where(slot.id if slot else name, "", "float32")

    def _column(self, where: Callable[[str, str, str], Origin], grid: Grid, rows: Sequence[Row], label: str) -> list[Cell]:
        variant = next((one for one in grid.variants() if one.label == label), None)
        if variant is None:
            raise NotFound("The column")
        wrote = next((row["turn"] for row in rows if row["column"] == label and not failed(row)), None)
        found = where(wrote["model"], wrote["revision"], wrote["dtype"]) if wrote else self._named(where, variant.model)
        return of_column(variant, rows, found)


async def _written(name: str, as_notebook: bool, make: Callable[[], Sequence[Cell]]) -> Asked:
    """Fingerprints are read from disk for it, and a column may hold megabytes of ids."""
    ending, write = (".ipynb", notebook) if as_notebook else (".py", script)
    return asdict(Code(f"{name}{ending}", await asyncio.to_thread(lambda: write(make()))))


def add(door: Door, chat: Chat, settings: Settings, runs: Runs) -> None:
    """Hang both on the door."""
    actions = CodeActions(chat, settings, runs)
    door.actions |= {"code": actions.of_turn, "compare-code": actions.of_run}
