"""What the page Compare asks about two replies that part: both distributions there, and how likely each is to the other's column."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from chatapp.identity import Owner
from chatapp.lab.across.look import look
from chatapp.lab.kept import Runs, row_of
from chatapp.pages.compare_protocol import CompareAcross
from chatapp.pages.xray_page import told
from chatapp.server.door import Asked
from chatapp.xray.inspector import Inspector


class AcrossActions:
    """POST /ui/compare-across."""

    def __init__(self, runs: Runs, inspector: Inspector) -> None:
        self.runs, self.inspector = runs, inspector

    async def look(self, owner: Owner, asked: Asked) -> AsyncIterator[Asked]:
        ask = CompareAcross.read(asked)
        first = await row_of(self.runs, owner, ask.id, (ask.prompt, ask.against, ask.against_replica))
        second = await row_of(self.runs, owner, ask.id, (ask.prompt, ask.column, ask.replica))
        async with aclosing(told(look(self.inspector, first, second, owner, load=ask.load))) as lines:
            async for line in lines:
                yield line
