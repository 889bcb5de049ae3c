"""A grid being answered: every cell by its model, as many at once as the engines have slots, each prompt read once where that can be."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from chatapp.chat.job import sentence
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.lab.answering import Answering, together
from chatapp.lab.assertions import checked
from chatapp.lab.grid import Cell, Variant
from chatapp.lab.judge import Judge, Judging
from chatapp.lab.results import Results
from chatapp.lab.rows import Row, failed, failed_row, row_of
from chatapp.sampling import STEP_PARAMS
from chatapp.tasks import Cancelled, Task
from chatapp.turn import Turn

if TYPE_CHECKING:
    from chatapp.engines.base import Engine
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot
    from chatapp.xray.inspector import Inspector

LOOK_EVERY = 0.2
"""Seconds between two looks at a task that a person may have cancelled."""


class Comparison:
    """One run of a grid. Its rows come from `run`, or are left to `drive`; both write them down first.

    `rows`  every finished row by Cell.key, those of earlier runs too
    `live`  the turns that are being written now, by Cell.key: their text grows in place
    `stopped`  the labels of columns that get no more replies in this run
    `failures`  how many replies failed in this run
    `notes` what a reader of the numbers should know, in sentences: settings that an engine does not have, tokens read
    `address`  of the page that shows it, or ''
    `may_load`  whether a model that is not known here may be loaded by its name: by the person at this machine alone
    `inspector`  X-ray's bench, which a grid with a judge needs
    """

    def __init__(
        self,
        results: Results,
        models: "ModelManager",
        *,
        owner: Owner,
        task: Task,
        may_load: bool,
        address: str = "",
        inspector: "Inspector | None" = None,
    ) -> None:
        self.results, self.models, self.owner, self.task, self.may_load, self.address = results, models, owner, task, may_load, address
        self.cells, self.rows = results.grid.cells(), results.rows
        self.live: dict[tuple[int, str, int], Turn] = {}
        self.notes: list[str] = []
        self.stopped: set[str] = set()
        self._answering: list[Answering] = []
        self._going = asyncio.Event()
        self._going.set()
        self._began = time.monotonic()
        self._made = self.failures = 0
        self._ready: asyncio.Queue[Row] = asyncio.Queue()
        self._judging: Judging | None = None
        if (name := results.grid.judge) and inspector:
            judge = Judge(inspector, name, partial(woken, models, name, may_load))
            self._judging = Judging(judge, results, self._going, self._ready.put_nowait)

    @property
    def paused(self) -> bool:
        return not self._going.is_set()

    @property
    def judged(self) -> int:
        """Replies that the grid's judge has read, or tried to."""
        return self._judging.done if self._judging else 0

    @property
    def share(self) -> float:
        """Of the replies, how many are there (0 to 1); of a grid with a judge, half of it is that they are judged."""
        there = len(self.rows) + self.judged if self._judging else 2 * len(self.rows)
        return there / len(self.cells) / 2

    @property
    def seconds_left(self) -> float | None:
        """By the pace of this run so far; None before the first row."""
        if not self._made:
            return None
        return (time.monotonic() - self._began) / self._made * (len(self.cells) - len(self.rows))

    def pause(self) -> None:
        """Begin no further reply; those being written end."""
        self._going.clear()
        self._rested = time.monotonic()
        with suppress(Cancelled):
            self._tell()

    def go_on(self) -> None:
        """After a pause, which does not count for the pace."""
        if self.paused:
            self._began += time.monotonic() - self._rested
        self._going.set()

    def stop_column(self, label: str) -> None:
        """Make no more replies of one column; what it has stays. Another run of the same grid makes them."""
        self.stopped.add(label)
        for answering in self._answering:
            answering.stop(label)

    async def run(self) -> AsyncGenerator[Row]:
        """Each row as soon as it is written down, and again when it was judged. Closing it stops every reply.

        Raises ChatError where the run cannot go on, Cancelled.
        """
        everything = self._judging.beside(self._answered()) if self._judging else self._answered()
        work = asyncio.create_task(everything, name=f"comparison {self.task.id}")
        try:
            self._tell()
            while (row := await self._next(work)) is not None:
                self._tell()
                yield row
            self._tell()
            work.result()
            self.task.end("done", result=self.address)
        except Cancelled as error:
            self.task.end("cancelled", error=str(error))
            raise
        finally:
            work.cancel()
            await asyncio.wait({work})
            self.results.close()
            broken = None if work.cancelled() else work.exception()
            self.task.end("failed" if broken else "cancelled", error=sentence(broken, "comparing") if broken else "")

    async def _next(self, work: asyncio.Task[None]) -> Row | None:
        """The next row; None when there will be none. Raises Cancelled."""
        while self._ready.empty():
            if work.done():
                return None
            if self.task.cancelling:
                raise Cancelled
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):  # wait_for of Python 3.11 loses a cancellation that comes with a row
                    return await self._ready.get()
        return self._ready.get_nowait()

    def _tell(self) -> None:
        words = f"{len(self.rows)} of {len(self.cells)} replies" + (f", {self.failures} failed" if self.failures else "")
        words += f", {self.judged} judged" if self._judging else ""
        self.task.tell(f"{words} (paused)" if self.paused else words, self.share)

    async def _answered(self) -> None:
        """Every model at once; one that found no room beside the others is tried again when they are done."""
        models: dict[str, list[Variant]] = {}
        for variant in self.results.grid.variants():
            models.setdefault(variant.model, []).append(variant)
        loaded = await together(self._model(name, of, last=len(models) == 1) for name, of in models.items())
        for name in [name for name, there in zip(models, loaded, strict=True) if not there]:
            await self._model(name, models[name], last=True)

    async def _model(self, name: str, variants: Sequence[Variant], *, last: bool) -> bool:
        """All cells of one model. False where it could not be loaded; `last`: then its cells say why."""
        labels = {variant.label for variant in variants}
        cells = [cell for cell in self.cells if cell.variant.label in labels and cell.key not in self.rows]
        if not cells:
            return True
        try:
            slot = await woken(self.models, name, self.may_load)
            engine = await slot.wait_ready()
        except ChatError as error:
            for cell in cells if last else ():
                self._down(failed_row(cell, self.owner, str(error)))
            return False
        refuse_other_weights([row for row in self.rows.values() if row["column"] in labels], engine)
        self.notes += [note for note in notes_on(variants, engine) if note not in self.notes]
        if not self._made:
            self._began = time.monotonic()  # loading does not count for the pace
        answering = Answering(slot, cells, self.owner, live=self.live, going=self._going, ended=self._reply_ended)
        self._answering.append(answering)
        for label in self.stopped:
            answering.stop(label)
        await answering.run()
        return True

    async def _reply_ended(self, cell: Cell, turn: Turn) -> None:
        checks = cell.question.assertions if turn.finish_reason != "error" else ()
        self._down(row_of(cell, turn, await asyncio.to_thread(checked, checks, turn.reply_text) if checks else []))

    def _down(self, row: Row) -> None:
        self.results.append(row)
        self._made += 1
        self.failures += failed(row)
        self._ready.put_nowait(row)
        if self._judging:
            self._judging.add(row)


async def driven(run: Comparison) -> None:
    """To the end; the task says how it went."""
    with suppress(ChatError):
        async for _ in run.run():
            pass


async def woken(models: "ModelManager", name: str, may_load: bool) -> "ModelSlot":
    """The model of a name, on its way into memory. Raises ChatError where there is none."""
    try:
        slot = models.find(name)
    except ChatError:
        if not may_load:
            raise
        return await models.load(name)
    slot.wake()
    return slot


def refuse_other_weights(rows: Sequence[Row], engine: "Engine") -> None:
    """A column is the work of one model: one that changed since does not go on with it."""
    now = engine.info.model, engine.info.revision, engine.info.engine
    for row in rows:
        before = row["turn"]["model"], row["turn"]["revision"], row["turn"]["engine"]
        if before != now:
            was, there_is = (" ".join(filter(None, maker)) for maker in (before, now))
            raise ChatError(f"Column {row['column']!r} was begun by {was}; now there is {there_is}. Begin anew with --fresh.", status=409)


def notes_on(variants: Sequence[Variant], engine: "Engine") -> list[str]:
    """What columns ask of an engine and do not get, in sentences."""
    off = engine.capabilities.off
    found = []
    for variant in variants:
        asked = [param for param in STEP_PARAMS if getattr(variant.sampling, param.name) != param.off and param.name in off]
        found += [f"{variant.column}: {param.label} does nothing. {off[param.name]}" for param in asked if not variant.sampling.greedy]
        if "seed" in off and not variant.sampling.greedy:
            found.append(f"{variant.column}: its random numbers are its own, and another run has others. {off['seed']}")
    return list(dict.fromkeys(found))
