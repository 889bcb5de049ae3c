"""The queue alone: order, position, limit, one at a time per conversation, waiting for an engine."""

import asyncio

import pytest

from chatapp.admission import Admission, Ticket
from chatapp.errors import ChatError


class Gate:
    """An engine's readiness: `slots` may run; `opened` tells when there is an engine, or raises `failure`."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.opened = asyncio.Event()
        self.failure: ChatError | None = None
        self.seen: list[list[str]] = []

    async def ready(self) -> None:
        await self.opened.wait()
        if self.failure is not None:
            raise self.failure

    def queue(self, limit: int = 10) -> Admission:
        return Admission(limit, slots=lambda: self.slots, ready=self.ready, moved=self.seen.append)


def admitted(*tickets: Ticket) -> list[bool]:
    return [ticket.admitted.done() for ticket in tickets]


async def test_first_come_first_served_and_the_next_moves_up() -> None:
    queue = Gate(1).queue()
    a, b, c = (queue.enter(key, lane=key) for key in "abc")
    assert admitted(a, b, c) == [True, False, False]
    assert [queue.position(key) for key in "abc"] == [None, 1, 2]
    queue.leave(a)
    assert admitted(b, c) == [True, False]
    assert [queue.position(key) for key in "bc"] == [None, 1]


async def test_as_many_run_as_the_engine_has_slots() -> None:
    queue = Gate(2).queue()
    assert admitted(*(queue.enter(key, lane=key) for key in "abc")) == [True, True, False]
    assert (queue.running, queue.waiting) == (2, 1)


async def test_one_at_a_time_in_a_conversation_and_others_may_pass() -> None:
    queue = Gate(2).queue()
    first, second, other = queue.enter("1", "mine"), queue.enter("2", "mine"), queue.enter("3", "yours")
    assert admitted(first, second, other) == [True, False, True]
    queue.leave(other)
    assert admitted(second) == [False], "a free slot does not let a conversation run twice"
    queue.leave(first)
    assert admitted(second) == [True]


async def test_a_full_queue_refuses_with_the_numbers() -> None:
    queue = Gate(1).queue(limit=2)
    tickets = [queue.enter(key, lane=key) for key in "abc"]
    with pytest.raises(ChatError, match="2 of at most 2 messages wait") as refused:
        queue.enter("d", lane="d")
    assert refused.value.status == 429
    assert (queue.running, queue.waiting, queue.position("d")) == (1, 2, None)
    queue.leave(tickets[0])
    assert queue.enter("d", lane="d").admitted.done() is False


async def test_a_limit_of_zero_still_serves_who_need_not_wait() -> None:
    queue = Gate(1).queue(limit=0)
    assert admitted(queue.enter("a", lane="a")) == [True]
    with pytest.raises(ChatError):
        queue.enter("b", lane="b")


async def test_taking_a_waiting_one_back_lets_the_others_up_and_twice_is_harmless() -> None:
    queue = Gate(1).queue()
    _, b, c = (queue.enter(key, lane=key) for key in "abc")
    queue.leave(b)
    queue.leave(b)
    assert (queue.position("b"), queue.position("c"), admitted(c)) == (None, 1, [False])


async def test_a_cancelled_ticket_is_never_admitted_and_blocks_nobody() -> None:
    queue = Gate(1).queue()
    a, b, c = (queue.enter(key, lane=lane) for key, lane in (("a", "x"), ("b", "y"), ("c", "y")))
    b.admitted.cancel()
    queue.leave(a)
    assert admitted(c) == [True] and c.admitted.result() is None


async def test_everybody_waits_while_there_is_no_engine_and_goes_in_order_when_it_comes() -> None:
    gate = Gate(0)
    queue = gate.queue()
    a, b = queue.enter("a", "a"), queue.enter("b", "b")
    assert (admitted(a, b), queue.position("a"), queue.position("b")) == ([False, False], 1, 2)
    gate.slots = 1
    gate.opened.set()
    await a.admitted
    assert (admitted(b), queue.position("b"), gate.seen[-1]) == ([False], 1, ["b"])


async def test_when_there_will_be_no_engine_those_waiting_hear_why() -> None:
    gate = Gate(0)
    queue = gate.queue()
    tickets = [queue.enter(key, key) for key in "ab"]
    gate.failure = ChatError("The model could not be loaded: the folder is empty.", status=503)
    gate.opened.set()
    for ticket in tickets:
        with pytest.raises(ChatError, match="folder is empty"):
            await ticket.admitted
    assert queue.waiting == 0


async def test_closing_ends_the_look_out() -> None:
    queue = Gate(0).queue()
    ticket = queue.enter("a", "a")
    queue.close()
    await asyncio.sleep(0.01)
    assert not ticket.admitted.done()
    assert [task for task in asyncio.all_tasks() if "engine" in task.get_name()] == []
