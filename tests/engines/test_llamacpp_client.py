"""How often the tokens of llama.cpp's server are looked at."""

import asyncio

import pytest

from chatapp.engines.llamacpp.client import PACE, SLOWEST, _chunks, _Watch


class Writer:
    """Of a connection that nobody uses."""

    transport = None


class Lumps:
    """What has come at each look: so many tokens."""

    def __init__(self, *lumps: int, read: int = 0) -> None:
        """Before them, as often, how much of the prompt has been read."""
        progress = [chunk(b'data: {"prompt_progress":{}}\n\n')] * read
        self.lumps = [*progress, *(b"".join(chunk(b"data: {}\n\n") for _ in range(tokens)) for tokens in lumps)]

    async def read(self, most: int) -> bytes:
        return self.lumps.pop(0) if self.lumps else chunk(b"")


class Looks:
    """Notes how long nobody looked. What comes took `pause` seconds."""

    pace = 0.16

    def __init__(self, pause: float) -> None:
        self.pause, self.rests = pause, []

    def seen(self) -> float:
        return self.pause

    async def rest(self, seconds: float) -> None:
        self.rests.append(round(seconds, 3))


def chunk(body: bytes) -> bytes:
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


@pytest.mark.parametrize(("people", "pace"), [(1, PACE), (4, PACE), (8, 2 * PACE), (60, SLOWEST)])
async def test_the_replies_of_a_crowd_are_looked_at_less_often(people: int, pace: float) -> None:
    watches = [_Watch(Writer()) for _ in range(people)]
    assert {watch.pace for watch in watches} == {pace}
    for watch in watches:
        watch.stop()
    assert not _Watch.reading


@pytest.mark.parametrize(
    ("pause", "lumps", "most", "rests"),
    [
        (0.04, [1, 4, 4], 100, [0.16, 0.16, 0.16]),
        (0.16, [4, 4, 2], 11, [0.16, 0.12, 0.08]),  # the last token is not left lying
        (0.16, [4, 4], 8, [0.16, 0.0]),
        (0.5, [1, 1, 1], 100, []),  # slower than the pace: each is shown as it comes
        (0.04, [2], 0, [0.0]),
    ],
)
async def test_nobody_looks_until_the_pace_or_the_last_token(pause: float, lumps: list[int], most: int, rests: list[float]) -> None:
    looks = Looks(pause)
    async with asyncio.timeout(5):
        found = [body async for body in _chunks(Lumps(*lumps), looks, most)]
    assert (len(found), looks.rests) == (sum(lumps), rests)


async def test_how_far_the_prompt_is_read_counts_as_no_token() -> None:
    looks = Looks(0.16)
    assert len([body async for body in _chunks(Lumps(4, 4, read=9), looks, 16)]) == 17
    assert looks.rests == [0.16, 0.16]
