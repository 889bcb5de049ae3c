"""Work that takes a while: what is being done, and what comes of it."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from chatapp.tasks import Step

T = TypeVar("T")


Answers = AsyncIterator[Step | dict[str, Any]]
"""What X-ray answers: steps while it works, then plain data for the page; each dict replaces the one before it."""


class Result(Generic[T]):
    """What comes at the end of some work: `value`, once its steps were passed on."""

    value: T

    async def of(self, work: AsyncGenerator[Step | T]) -> AsyncIterator[Step]:
        """The steps of `work`. Closing this closes it."""
        async with aclosing(work) as items:
            async for item in items:
                if isinstance(item, Step):
                    yield item
                else:
                    self.value = item


def returning(steps: Generator[T, None, Any], result: list) -> Generator[T]:
    """Pass a generator's items on and put what it returns into `result`."""
    result.append((yield from steps))
