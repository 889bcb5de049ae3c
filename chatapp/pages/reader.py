"""Does anybody read the answer of a Gradio event? Its messages lie in the mailbox of its session until a client takes them."""

import asyncio

from gradio.context import LocalContext

LOOK_SECONDS, UNREAD_LOOKS = 1.0, 5
"""Looks in a row with something unread after which nobody reads: counted, not timed, so that a busy server is no one's absence."""


class Reader:
    """The client of the event that is being handled."""

    def __init__(self) -> None:
        self._queue = LocalContext.blocks.get()._queue
        self._event = self._queue.event_ids_to_events.get(LocalContext.event_id.get())

    @property
    def behind(self) -> bool:
        """Is something not taken yet, or the client gone?"""
        if self._event is None or not self._event.alive:
            return True
        mailbox = self._queue.pending_messages_per_session.get(self._event.session_hash)
        return mailbox is None or not mailbox.empty()

    async def gone(self) -> None:
        """Returns when nobody reads: the client closed its stream, opened none, or takes nothing."""
        unread = 0
        while unread < UNREAD_LOOKS:
            await asyncio.sleep(LOOK_SECONDS)
            unread = unread + 1 if self.behind else 0
