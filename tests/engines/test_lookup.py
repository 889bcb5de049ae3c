"""Prompt lookup: guesses what stood there before, gives up where that is wrong, and never changes a reply."""

from pathlib import Path

import pytest

from chatapp.engines.direct.lookup import LONGEST_PAUSE, Lookup
from chatapp.sampling import Sampling
from chatapp.turn import Token
from tests.batches import given

REPEATING = [11, 12, 13, 14, 15, 16, 17, 18] * 6


def test_it_guesses_what_followed_the_last_time() -> None:
    assert Lookup([1, 2, 3, 4, 5, 9, 1, 2, 3], 8).guess(10) == [4, 5, 9, 1, 2, 3]
    assert Lookup([1, 2, 3, 4, 5, 9, 1, 2, 3], 8).guess(2) == [4, 5]


def test_nothing_repeats_so_nothing_is_guessed() -> None:
    assert Lookup(range(100), 8).guess(10) == []
    assert Lookup(REPEATING, 0).guess(10) == []


def test_what_was_computed_after_a_right_guess_holds_and_after_a_wrong_one_does_not() -> None:
    lookup = Lookup([1, 2, 3, 4, 5, 1, 2, 3], 8)
    assert lookup.guess(2) == [4, 5]
    assert lookup.saw(4) and not lookup.saw(7)


def test_guesses_that_are_wrong_at_once_become_rare() -> None:
    lookup, guesses = Lookup(REPEATING, 8), 0
    for n in range(400):  # the pattern is there again and again, and what follows is always new
        guesses += bool(lookup.guess(8))
        for token in (1000 + n, 11, 12, 13):
            lookup.saw(token)
    assert guesses < 3 * 400 * 4 / LONGEST_PAUSE


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0, max_tokens=96), Sampling(temperature=0.4, top_k=3, seed=5, max_tokens=96)])
async def test_ids_and_text_are_those_without_guesses_in_fewer_steps(make_direct, tiny_llama: Path, sampling: Sampling) -> None:
    replies, steps = [], []
    for draft in (0, 8):
        engine = make_direct(given(tiny_llama, 2048), draft=draft)
        forward, ran = engine._forward, []
        engine._forward = lambda ids, cache, rows=1, forward=forward, ran=ran: (ran.append(len(ids)), forward(ids, cache, rows))[1]
        events = [event async for event in engine.generate(REPEATING, sampling)]
        replies.append([(event.id, event.text) for event in events if isinstance(event, Token)])
        steps.append(len(ran))
    assert replies[0] == replies[1] and len(replies[0]) == 96
    assert steps[1] < steps[0] or sampling.temperature
