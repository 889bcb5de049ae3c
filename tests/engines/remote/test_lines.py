"""Server-sent events, however the network cuts them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatapp.engines.remote import client
from chatapp.engines.remote.client import LONGEST_WORDS, lines, words_of
from chatapp.engines.remote.request import named_in
from chatapp.errors import ChatError

STREAM = ': hello\r\n\r\nevent: x\ndata: {"a": "é😀\u2028"}\n\ndata:{"b": ": data: [DONE]"}\n\nerror: {"c": 1}\n\n'.encode()
SAID = ['{"a": "é😀\u2028"}'.encode(), b'{"b": ": data: [DONE]"}', b'{"error": {"c": 1}}']


async def pieces(stream: bytes, cuts: Sequence[int]) -> AsyncIterator[bytes]:
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    for start, end in zip([0, *ends], ends, strict=False):
        yield stream[start:end]


async def read(stream: bytes, cuts: Sequence[int]) -> list[bytes]:
    return [data async for data in lines(pieces(stream, cuts))]


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
async def test_cuts_change_nothing(cuts: list[int]) -> None:
    assert await read(STREAM, cuts) == SAID
    assert await read(STREAM + b"data: [DONE]\n\ndata: {}\n\n", cuts) == [*SAID, b"{}"], "nothing after the end is read"


@pytest.mark.parametrize(("end", "last"), [(b'data: {"d": 1}', [b'{"d": 1}']), (b"data: [DONE]", []), (b"dat", []), (b"", [])])
async def test_the_last_line_needs_no_end(end: bytes, last: list[bytes]) -> None:
    assert await read(STREAM + end, [5]) == SAID + last


async def test_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "LONGEST_LINE", 100)
    with pytest.raises(ChatError, match="A line of more than 100 bytes"):
        await read(b"data: " + b"x" * 200, [])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"error": {"message": "No memory."}}', "No memory."),
        ('{"error": "no memory"}', "no memory."),
        ('{"detail": [{"loc": ["body"], "msg": "bad"}]}', '[{"loc": ["body"], "msg": "bad"}].'),
        ("<html>x</html>", "(a page of HTML)"),
        ("Bad\n gateway", "Bad gateway"),
        ("[" * 200_000, "[" * LONGEST_WORDS),
        ("", ""),
    ],
)
def test_refusals_have_many_shapes(said: str, words: str) -> None:
    assert words_of(said) == words


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("{\"detail\": \"Unexpected fields in the request: {'top_k', 'min_p'}\"}", {"top_k", "min_p"}),
        ('{"error": {"message": "Unrecognized argument: top_k", "param": "top_k"}}', {"top_k"}),
        ('{"error": {"message": "no field named seed_x; min_p_max", "param": null}}', set()),
        ("prompt too long", set()),
    ],
)
def test_what_a_refusal_names(said: str, named: set[str]) -> None:
    assert named_in(said, ["model", "top_k", "min_p", "seed"]) == named


async def test_of_words_that_do_not_end_what_came_in_time_is_taken() -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b"No"
        yield b" room"
        await asyncio.Event().wait()

    async with asyncio.timeout(20):
        assert await client.first(dripping(), 100, 0.1) == b"No room"
        assert await client.first(dripping(), 4) == b"No r"
