"""The one queue in front of the engine: who is next, how many may wait, one reply at a time for each conversation."""

import asyncio
from collections.abc import Awaitable, Callable

from chatapp.errors import ChatError


class Ticket:
    """A place in the queue. `admitted` is done when the turn may run, and fails with a ChatError when it never will."""

    def __init__(self, key: str, lane: str) -> None:
        self.key = key
        self.lane = lane
        self.admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Admission:
    """First come, first served, with two rules: at most `slots()` run at once, and one at a time in a lane (a conversation).

    `limit`   tickets that may wait; one more is refused
    `slots`   how many may run now; 0 while no engine is ready
    `ready`   returns when an engine is ready, raises ChatError when there will be none
    `moved`   is called with the keys still waiting whenever somebody's place may have changed
    """

    def __init__(
        self, limit: int, *, slots: Callable[[], int], ready: Callable[[], Awaitable[None]], moved: Callable[[list[str]], None]
    ) -> None:
        self.limit = limit
        self._slots = slots
        self._ready = ready
        self._moved = moved
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._watch: asyncio.Task[None] | None = None

    def enter(self, key: str, lane: str) -> Ticket:
        """Take a place at the end, running at once when there is room. Raises ChatError 429 when too many wait already."""
        ticket = Ticket(key, lane)
        self._waiting.append(ticket)
        self._admit()
        if ticket in self._waiting and len(self._waiting) > self.limit:
            self._waiting.remove(ticket)
            ahead = len(self._waiting)
            raise ChatError(
                f"The model is busy and the queue is full: {ahead} of at most {self.limit} messages wait. Try again in a moment.",
                status=429,
            )
        self._pump()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place back, whether waiting or running; the next one moves up. Leaving twice does nothing."""
        for line in (self._waiting, self._running):
            if ticket in line:
                line.remove(ticket)
        self._pump()

    def position(self, key: str) -> int | None:
        """Place of a waiting ticket, 1 is next; None when it is running or not here."""
        return next((place for place, ticket in enumerate(self._waiting, 1) if ticket.key == key), None)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    def close(self) -> None:
        """Stop looking out for the engine."""
        if self._watch is not None:
            self._watch.cancel()

    def _pump(self) -> None:
        """Admit whoever may run, tell the others, and look out for an engine if there is none."""
        self._admit()
        self._moved([ticket.key for ticket in self._waiting])
        if self._waiting and not self._slots() and self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._look_out(), name="chat: waits for the engine")

    def _admit(self) -> None:
        free = self._slots() - len(self._running)
        busy = {ticket.lane for ticket in self._running}
        for ticket in list(self._waiting):
            if free <= 0:
                return
            if ticket.admitted.done():  # cancelled with its job, which is about to leave
                continue
            if ticket.lane not in busy:
                self._waiting.remove(ticket)
                self._running.append(ticket)
                ticket.admitted.set_result(None)
                free -= 1
            # Admitted or not, it is ahead of every later ticket of its lane.
            busy.add(ticket.lane)

    async def _look_out(self) -> None:
        try:
            await self._ready()
        except ChatError as error:
            self._refuse_all(error)
        finally:
            self._watch = None
        self._pump()

    def _refuse_all(self, error: ChatError) -> None:
        refused, self._waiting = self._waiting, []
        for ticket in refused:
            ticket.admitted.set_exception(ChatError(str(error), status=error.status))
