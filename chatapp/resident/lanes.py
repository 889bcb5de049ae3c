"""One reply at a time in a conversation, whichever models answer in it: the order in which its messages came."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatapp.resident.admission import Ticket


class Lanes:
    """Who waits or runs in each lane (a conversation), in the order in which they came, with what wakes the queue of each."""

    def __init__(self) -> None:
        self._lanes: dict[str, list[tuple[Ticket, Callable[[], None]]]] = {}

    def join(self, ticket: "Ticket", wake: Callable[[], None]) -> None:
        """At the end of its lane. `wake` is called when the one before it is gone."""
        self._lanes.setdefault(ticket.lane, []).append((ticket, wake))

    def leave(self, ticket: "Ticket") -> None:
        """Out of its lane; whoever is next there may run. Leaving twice does nothing."""
        here = self._lanes.get(ticket.lane, [])
        rest = [place for place in here if place[0] is not ticket]
        if not rest:
            self._lanes.pop(ticket.lane, None)
        elif len(rest) < len(here):
            self._lanes[ticket.lane] = rest
            rest[0][1]()

    def is_first(self, ticket: "Ticket") -> bool:
        """May it run? Those that are about to leave keep nobody waiting."""
        return next((other for other, _ in self._lanes.get(ticket.lane, []) if not other.hopeless), None) is ticket
