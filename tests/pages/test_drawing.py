"""The pace at which a running reply is shown."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from chatapp.pages import drawing
from chatapp.pages.drawing import coalesced
from chatapp.turn import Turn


class Reply:
    """A live turn as a job shows it: its latest state, each time it is asked for."""

    def __init__(self) -> None:
        self.turn = Turn(id="a" * 32, conversation_id="b" * 32, parent_id=None, owner="me", user="Hello")
        self.changed, self.asked, self.closed = asyncio.Event(), 0, False

    def say(self, word: str, end: str = "") -> None:
        self.turn.reply_text, self.turn.finish_reason = self.turn.reply_text + word, end
        self.changed.set()

    async def follow(self) -> AsyncGenerator[Turn]:
        try:
            while self.turn.running:
                self.asked += 1
                self.changed.clear()
                yield self.turn
                await self.changed.wait()
            yield self.turn
        finally:
            self.closed = True


async def test_what_came_between_two_views_is_one_view_and_the_last_state_is_shown() -> None:
    reply, seen = Reply(), []
    async for turn in coalesced(reply.follow(), 0.0):
        seen.append(turn.reply)
        if len(seen) < 4:
            for word in "abc":
                reply.say(word, "length" if len(seen) == 3 and word == "c" else "")
    assert seen == ["", "abc", "abcabc", "abcabcabc"] and reply.asked == 3 and reply.closed


async def test_a_turn_in_which_nothing_happens_is_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "HEARTBEAT", 0.01)
    reply = Reply()
    views = coalesced(reply.follow(), 0.0)
    assert [await anext(views) for _ in range(3)] == [reply.turn] * 3 and reply.asked == 1
    await views.aclose()
    assert reply.closed


async def test_a_failure_of_the_stream_reaches_who_looks() -> None:
    async def broken() -> AsyncGenerator[Turn]:
        yield Reply().turn
        raise LookupError("gone")

    views = coalesced(broken(), 0.0)
    await anext(views)
    with pytest.raises(LookupError, match="gone"):
        await anext(views)
