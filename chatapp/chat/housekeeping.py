"""What a server that stays up does every hour: erase chats deleted DELETED_DAYS ago, drop temporary ones that were left alone."""

import asyncio
import logging
import time

from chatapp.chat.stores import Stores
from chatapp.errors import ChatError

log = logging.getLogger("chatapp")

HOUR = 3600.0


class Clock:
    """The system's clock."""

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def keep_house(stores: Stores, clock: Clock) -> None:
    """Never returns. Threads do the work; what fails is logged and tried again an hour later."""
    while True:
        await clock.sleep(HOUR)
        try:
            await stores.purge(clock.time())
        except ChatError as error:
            log.warning("Deleted chats could not be erased: %s", error)
