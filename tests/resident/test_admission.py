"""The queue alone: order, position, limits, turns, one at a time per conversation, waiting for an engine."""

import asyncio

import pytest

from chatapp.errors import ChatError
from chatapp.resident.admission import Admission, Limits, Ticket
from chatapp.resident.lanes import Lanes


class Line(Admission):
    """A queue in which everything is one owner's unless a test names another."""

    def enter(self, key: str, lane: str, owner: str = "me", address: str = "") -> Ticket:
        return super().enter(key, lane, owner, address)

    def run(self) -> list[str]:
        """The keys in the order in which they run, each leaving as soon as it is admitted."""
        order: list[str] = []
        while self._running:
            order.append(self._running[0].key)
            self.leave(self._running[0])
        return order


class Gate:
    """An engine's readiness: `slots` may run; `opened` tells when there is an engine, or raises `failure`."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.opened = asyncio.Event()
        self.failure: ChatError | None = None
        self.seen: list[list[str]] = []
        self.lanes = Lanes()

    async def ready(self) -> None:
        await self.opened.wait()
        if self.failure is not None:
            raise self.failure

    def queue(self, limit: int = 10, each: int = 10, share: int | None = None) -> Line:
        return Line(
            Limits(limit, each, share),
            slots=lambda: self.slots,
            ready=self.ready,
            moved=self.seen.append,
            lanes=self.lanes,
            left=lambda: None,
        )


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


async def test_one_owner_cannot_fill_the_queue() -> None:
    queue = Gate(1).queue(limit=10, each=2)
    tickets = [queue.enter(f"mine {n}", f"lane {n}") for n in range(3)]
    with pytest.raises(ChatError, match=r"You have 2 messages waiting, at most 2\. Wait for one or stop one\.") as refused:
        queue.enter("mine 3", "lane 3")
    assert (refused.value.status, queue.waiting) == (429, 2)
    assert not queue.enter("yours", "elsewhere", "you").admitted.done()
    queue.leave(tickets[2])
    queue.enter("mine 4", "lane 4")


async def test_strangers_who_drop_their_cookies_share_what_one_may_have_at_their_address() -> None:
    queue = Gate(1).queue(limit=10, each=2)
    for n in range(3):
        queue.enter(str(n), str(n), f"stranger {n}", "1.2.3.4")
    with pytest.raises(ChatError, match="2 messages from your address are waiting, at most 2"):
        queue.enter("3", "3", "stranger 3", "1.2.3.4")
    queue.enter("4", "4", "stranger 4", "5.6.7.8")
    for n in range(5, 8):
        queue.enter(str(n), str(n), f"login {n}")
    assert queue.waiting == 6, "without an address nobody shares anything"


async def test_owners_take_turns_and_each_is_served_in_its_order() -> None:
    queue = Gate(1).queue()
    for owner, count in (("a", 4), ("b", 2), ("c", 1)):
        for n in range(count):
            queue.enter(f"{owner}{n}", f"{owner}{n}", owner)
    assert [queue.position(key) for key in ("b0", "c0", "a1", "b1", "a2", "a3")] == [1, 2, 3, 4, 5, 6]
    assert queue.run() == ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]


async def test_whoever_comes_later_is_not_put_behind_a_long_line_of_another() -> None:
    queue = Gate(1).queue()
    tickets = [queue.enter(f"a{n}", f"a{n}", "a") for n in range(4)]
    queue.leave(tickets[0])
    queue.enter("b0", "b0", "b")
    assert queue.position("b0") == 1 and queue.run() == ["a1", "b0", "a2", "a3"]


async def test_one_owner_alone_has_every_slot_and_gives_them_up_to_those_who_wait() -> None:
    queue = Gate(4).queue()
    mine = [queue.enter(f"mine {n}", f"mine {n}") for n in range(8)]
    assert admitted(*mine) == [True] * 4 + [False] * 4
    yours = [queue.enter(f"yours {n}", f"yours {n}", "you") for n in range(3)]
    for ticket in mine[:2]:
        queue.leave(ticket)
    assert (admitted(*yours), admitted(*mine[4:])) == ([True, True, False], [False] * 4)
    queue.leave(mine[2])
    assert not yours[2].admitted.done() and mine[4].admitted.done(), "two of four slots are its share while another waits"


async def test_one_alone_has_no_more_than_its_share_also_while_slots_are_free() -> None:
    queue = Gate(4).queue(share=2)
    mine = [queue.enter(f"mine {n}", f"mine {n}") for n in range(3)]
    strangers = [queue.enter(f"x{n}", f"x{n}", f"stranger {n}", "1.2.3.4") for n in range(3)]
    assert (admitted(*mine), admitted(*strangers)) == ([True, True, False], [True, True, False])
    queue.leave(strangers[0])
    assert (admitted(*mine), admitted(*strangers[1:])) == ([True, True, False], [True, True]), (
        "the free slot is not for whoever has its share"
    )


async def test_many_names_at_one_address_do_not_take_more_turns_than_one() -> None:
    queue = Gate(1).queue()
    for n in range(4):
        queue.enter(f"x{n}", f"x{n}", f"stranger {n}", "1.2.3.4")
    queue.enter("y0", "y0", "other", "5.6.7.8")
    queue.enter("y1", "y1", "other", "5.6.7.8")
    assert queue.run() == ["x0", "y0", "x1", "y1", "x2", "x3"]


async def test_a_conversation_keeps_its_order_when_its_owner_moves_to_another_address() -> None:
    queue = Gate(1).queue()
    for n in range(2):
        queue.enter(f"x{n}", f"x{n}", f"stranger {n}", "1.2.3.4")
    queue.enter("first", "talk", "ann", "1.2.3.4")
    queue.enter("second", "talk", "ann", "5.6.7.8")
    order = queue.run()
    assert order.index("first") < order.index("second") and len(order) == 4


async def test_nothing_is_remembered_of_those_who_left() -> None:
    queue = Gate(1).queue()
    for n in range(50):
        queue.leave(queue.enter(str(n), str(n), f"stranger {n}", "1.2.3.4"))
    assert queue._served == {}


async def test_a_conversation_is_answered_one_at_a_time_by_whichever_models() -> None:
    one, other = Gate(4), Gate(4)
    other.lanes = one.lanes
    first, second = one.queue(), other.queue()
    a, b, c = first.enter("a", lane="chat"), second.enter("b", lane="chat"), first.enter("c", lane="chat")
    free = second.enter("free", lane="another chat")
    assert admitted(a, b, c, free) == [True, False, False, True]
    a.leave()
    assert admitted(b, c) == [True, False]
    b.leave()
    assert admitted(c) == [True]
