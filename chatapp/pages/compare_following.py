"""A run as a page follows it: replies that ended, what those being written grew by, and pictures of them, since the page last heard."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from chatapp.lab.compare import Comparison
from chatapp.lab.pictures import Numbers, numbers_of
from chatapp.lab.rows import Row, key_of
from chatapp.pages import compare_view as view
from chatapp.pages.compare_protocol import CompareGrown, CompareNews, ComparePictures
from chatapp.server.door import Asked

AT_ONCE = 50
"""Replies in one line: so many are drawn without holding anybody up."""

PICTURES_EVERY = 2.0
"""Seconds between two drawings of the pictures, which nobody reads while they change."""


class Following:
    """What one page has seen of a run."""

    def __init__(self, run: Comparison) -> None:
        self.run = run
        self.sent: dict[tuple[int, str, int], Row] = {}
        self.shown: dict[tuple[int, str, int], str] = {}
        self.state: object = None
        self._numbers: dict[tuple[int, str, int], tuple[Row, Numbers]] = {}
        self._pictured, self._again = True, 0.0

    async def lines(self) -> AsyncIterator[Asked]:
        """What came since the last time."""
        async for line in self.cells():
            yield line
        state = view.live(self.run)
        changed, self.state = state != self.state, state
        pictures = await self._pictures()
        if news := view.brief(CompareNews(grown=list(self._grown()), state=state if changed else None, pictures=pictures)):
            yield news

    async def cells(self) -> AsyncIterator[Asked]:
        """The replies that have ended since, and those that were judged."""
        new = {key: row for key, row in self.run.rows.items() if self.sent.get(key) is not row}
        self.sent |= new
        self._pictured = self._pictured and not new
        async for line in drawn(list(new.values())):
            yield line

    def _grown(self) -> Iterator[CompareGrown]:
        for key, turn in self.run.live.items():
            before, now = self.shown.get(key, ""), turn.reply
            if now != before:
                self.shown[key] = now
                at = len(before) if now.startswith(before) else 0
                yield CompareGrown(*key, at, now[at:], len(turn.reply_ids))

    async def _pictures(self) -> list[ComparePictures]:
        """Drawn anew when replies came, but for no more than a tenth of the time."""
        if self._pictured or time.monotonic() < self._again:
            return []
        rows, began, self._pictured = list(self.sent.values()), time.monotonic(), True
        made = await asyncio.to_thread(view.pictures, self.run.results.grid, rows, self._measured)
        self._again = time.monotonic() + max(PICTURES_EVERY, 10 * (time.monotonic() - began))
        return made

    def _measured(self, row: Row) -> Numbers:
        """Each reply once."""
        known, numbers = self._numbers.get(key_of(row), (None, {}))
        if known is not row:
            numbers = numbers_of(row)
            self._numbers[key_of(row)] = row, numbers
        return numbers


async def drawn(rows: Sequence[Row]) -> AsyncIterator[Asked]:
    """Replies as lines of some."""
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        cells = await asyncio.to_thread(lambda some=some: [view.cell(row) for row in some])
        yield view.brief(CompareNews(cells=cells))
