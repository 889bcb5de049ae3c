"""The queue in front of an engine: who is next, how many may wait, one reply at a time for each conversation."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.resident.lanes import Lanes
from chatapp.settings import Settings
from chatapp.tasks import EVERYBODY

asked_from: ContextVar[str] = ContextVar("asked_from", default="")
"""The address that a message comes from; '' where it tells nobody apart. Set where a request comes in."""

handed_on: ContextVar[bool] = ContextVar("handed_on", default=False)
"""Did a proxy hand the request on, so that whoever asks need not sit at this machine? Set where a request comes in."""

asked_by: ContextVar[Owner] = ContextVar("asked_by", default=EVERYBODY)
"""Whose request it is: the owner of what is begun for it. Set where a request comes in."""


def asked_here(settings: Settings) -> bool:
    """Does whoever asks sit at this machine?"""
    return settings.local_only and not handed_on.get()


class Limits(NamedTuple):
    """`waiting` tickets may wait, one more is refused; `waiting_each` of them may be one owner's, and as many may come from one address;

    `running_each` may run for one owner, and for one address, also while slots are free. None: one alone may have every slot.
    """

    waiting: int = 64
    waiting_each: int = 32
    running_each: int | None = None


class Ticket:
    """A place in the queue. `admitted` is done when the turn may run, and fails with a ChatError when it never will.

    Whoever is `owner` shares what one may have; so do strangers at one `address`, who could call themselves anything.
    """

    def __init__(self, queue: "Admission", key: str, lane: str, owner: Owner, address: str) -> None:
        self.queue = queue
        self.key = key
        self.lane = lane
        self.owner = owner
        self.address = address
        self.admitted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def leave(self) -> None:
        """Give the place back, whether waiting or running."""
        self.queue.leave(self)

    @property
    def hopeless(self) -> bool:
        """It was cancelled with its job, or refused: it is about to leave, and nobody waits for it."""
        return self.admitted.done() and (self.admitted.cancelled() or self.admitted.exception() is not None)

    @property
    def place(self) -> str:
        """Who takes turns with whom: the strangers at an address, or one owner."""
        return self.address or self.owner


class Admission:
    """At most `slots()` run at once, one at a time in a lane (a conversation). Of an owner the first come is the first served;

    owners take turns: whoever has least running is next, then whoever was served longest ago.

    `limits`  how many may wait, and run, in all and for each
    `slots`   how many may run now; 0 while no engine is ready
    `ready`   returns when an engine is ready, raises ChatError when there will be none
    `moved`   is called with the keys still waiting whenever somebody's place may have changed
    `lanes`   are shared with the queues before other engines
    `left`    is called when somebody has left
    """

    def __init__(
        self,
        limits: Limits,
        *,
        slots: Callable[[], int],
        ready: Callable[[], Awaitable[None]],
        moved: Callable[[list[str]], None],
        lanes: Lanes,
        left: Callable[[], None],
    ) -> None:
        self.limits = limits
        self._left = left
        self._lanes = lanes
        self._slots = slots
        self._ready = ready
        self._moved = moved
        self._waiting: list[Ticket] = []
        self._running: list[Ticket] = []
        self._now = 0  # tickets served
        self._served: dict[str, int] = {}  # when each owner and place that is here was served last
        self._watch: asyncio.Task[None] | None = None

    def enter(self, key: str, lane: str, owner: Owner, address: str = "") -> Ticket:
        """Take a place at the end, running at once when there is room. Raises ChatError 429 when too many wait already."""
        ticket = Ticket(self, key, lane, owner, address)
        self._waiting.append(ticket)
        self._lanes.join(ticket, self._pump)
        self._admit()
        if ticket in self._waiting and (reason := self._refusal(ticket)):
            self._waiting.remove(ticket)
            self._lanes.leave(ticket)
            raise ChatError(reason, status=429)
        self._pump()
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Give the place back, whether waiting or running; the next one moves up. Leaving twice does nothing."""
        for line in (self._waiting, self._running):
            if ticket in line:
                line.remove(ticket)
        self._lanes.leave(ticket)
        self._pump()
        self._left()

    def position(self, key: str) -> int | None:
        """Place of a waiting ticket, 1 is next; None when it is running or not here. Somebody new may come in before it."""
        line = self._line() if any(ticket.key == key for ticket in self._waiting) else []
        return next((place for place, ticket in enumerate(line, 1) if ticket.key == key), None)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def busy(self) -> bool:
        """Does anybody wait or run?"""
        return bool(self._waiting or self._running)

    def close(self) -> None:
        """Stop looking out for the engine."""
        if self._watch is not None:
            self._watch.cancel()

    def _refusal(self, ticket: Ticket) -> str:
        """Why this one may not wait behind those that do, or ''."""
        mine = sum(other.owner == ticket.owner for other in self._waiting) - 1
        near = sum(other.address == ticket.address != "" for other in self._waiting) - 1
        ahead = len(self._waiting) - 1
        if mine >= self.limits.waiting_each:
            return f"You have {mine} messages waiting, at most {self.limits.waiting_each}. Wait for one or stop one."
        if near >= self.limits.waiting_each:
            return f"{near} messages from your address are waiting, at most {self.limits.waiting_each}. Wait for one or stop one."
        if ahead >= self.limits.waiting:
            return (
                f"The model is busy and the queue is full: {ahead} of at most {self.limits.waiting} messages wait. Try again in a moment."
            )
        return ""

    def _pump(self) -> None:
        """Admit whoever may run, tell the others, and look out for an engine if there is none."""
        self._admit()
        here = {name for ticket in (*self._waiting, *self._running) for name in (ticket.owner, ticket.place)}
        self._served = {name: served for name, served in self._served.items() if name in here}
        self._moved([ticket.key for ticket in self._line()])
        if self._waiting and not self._slots() and self._watch is None:
            self._watch = asyncio.get_running_loop().create_task(self._look_out(), name="chat: waits for the engine")

    def _hopeful(self) -> list[Ticket]:
        """Those waiting, without the ones cancelled with their jobs, which are about to leave."""
        return [ticket for ticket in self._waiting if not ticket.admitted.done()]

    def _line(self) -> list[Ticket]:
        """Those waiting in the order in which they run: places take turns, and at each place its owners."""
        return self._in_turn(self._in_turn(self._hopeful(), lambda ticket: ticket.owner), lambda ticket: ticket.place)

    def _in_turn(self, line: Sequence[Ticket], party: Callable[[Ticket], str]) -> list[Ticket]:
        """As if nobody who runs ended: the next of whoever has least running, then of whoever was served longest ago."""
        having, served, lines = Counter(map(party, self._running)), self._served, dict[str, deque[Ticket]]()
        for ticket in line:
            lines.setdefault(party(ticket), deque()).append(ticket)
        heap = [(having[name], served.get(name, 0), place, name) for place, name in enumerate(lines)]
        heapify(heap)
        order: list[Ticket] = []
        while heap:
            count, _, place, name = heap[0]
            order.append(lines[name].popleft())
            if lines[name]:
                heapreplace(heap, (count + 1, self._now + len(order), place, name))
            else:
                heappop(heap)
        return order

    def _admit(self) -> None:
        free = max(0, self._slots() - len(self._running))
        for ticket in [ticket for ticket in self._line() if self._lanes.is_first(ticket)]:
            if free and within_share(ticket, self._running, self.limits.running_each):
                free -= 1
                self._waiting.remove(ticket)
                self._running.append(ticket)
                self._now += 1
                self._served |= {ticket.owner: self._now, ticket.place: self._now}
                ticket.admitted.set_result(None)

    async def _look_out(self) -> None:
        try:
            await self._ready()
        except ChatError as error:
            refused, self._waiting = self._waiting, []
            for ticket in refused:
                ticket.admitted.set_exception(ChatError(str(error), status=error.status))
        finally:
            self._watch = None
        self._pump()


def within_share(ticket: Ticket, running: Sequence[Ticket], share: int | None) -> bool:
    """May it run beside these? Nobody, and no address, has more than its share: so one alone never keeps all others waiting."""
    having = Counter(name for other in running for name in {other.owner, other.place})
    return share is None or max(having[ticket.owner], having[ticket.place]) < share
