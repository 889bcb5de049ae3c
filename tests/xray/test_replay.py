"""A replay agrees with a faithful engine and names the first token that differs."""

import json
from dataclasses import replace

import pytest

from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.turn import Turn
from chatapp.xray.replay import card, replay, why_not
from tests.conftest import Scripted


def turn(reply: list[int], **changes) -> Turn:
    who = {"model": "scripted", "revision": "v1"}
    return Turn("o", "c", "hi", prompt_ids=(1, 2), reply_ids=reply, sampling=Sampling(max_tokens=9), seed=3, **who, **changes)


@pytest.fixture
def scripted(scripted: Scripted) -> Scripted:
    scripted.info = replace(scripted.info, revision="v1")
    return scripted


async def last(steps):
    found = [step async for step in steps]
    return found[-1]


async def test_the_same_ids_agree_to_the_end_from_the_recorded_prompt(scripted) -> None:
    end = await last(replay(turn([1000, 1001, 1002]), scripted))
    assert (end.tokens, end.of, end.differs, end.text) == (3, 3, None, "Hello world")
    assert scripted.fed == [(1, 2)] and scripted.samplings[0].seed == 3


async def test_the_first_other_token_is_named_and_ends_the_run(scripted) -> None:
    end = await last(replay(turn([1000, 7, 1002]), scripted))
    assert (end.differs, end.expected, end.got) == (1, 7, 1001)
    assert scripted.closed == 1


async def test_a_replay_that_ends_early_differs_there(scripted) -> None:
    end = await last(replay(turn([1000, 1001, 1002, 1003]), scripted))
    assert (end.differs, end.expected, end.got) == (3, 1003, None)


async def test_a_difference_from_a_reply_of_another_number_format_is_not_called_the_engines(scripted) -> None:
    scripted.info = replace(scripted.info, dtype="Q8_0, made from the shipped Q4_1", shipped="Q4_1")
    end = await last(replay(turn([1000, 7, 1002], dtype="Q4_1"), scripted))
    assert end.differs == 1 and end.why == (
        "It was written with weights in Q4_1, and they are Q8_0, made from the shipped Q4_1 now: that alone can choose another token."
    )
    assert (await last(replay(turn([1000, 7, 1002], dtype=scripted.info.dtype), scripted))).why == ""


async def test_another_model_is_refused_with_both_names(scripted) -> None:
    other = turn([1000])
    other.model = "llama"
    with pytest.raises(ChatError, match=r"made by llama; scripted is loaded"):
        await last(replay(other, scripted))


def test_other_weights_of_the_same_name_are_refused_and_unknown_ones_said(scripted) -> None:
    other = turn([1000])
    other.revision = "v2"
    assert why_not(other, scripted) == "This reply was made by scripted@v2; scripted@v1 is loaded."
    other.revision = ""
    assert "does not say by which weights" in why_not(other, scripted)


def test_ids_that_the_model_cannot_read_are_not_replayed(scripted) -> None:
    forged = turn([1000])
    forged.prompt_ids = (1, 10**8)
    assert why_not(forged, scripted) == "The prompt holds token id 100000000, outside the vocabulary of 65536 of scripted."


def test_a_random_reply_without_seed_cannot_be_replayed(scripted) -> None:
    free = turn([1000])
    free.seed = None
    assert "without a seed" in why_not(free, scripted)
    free.sampling = Sampling(temperature=0)
    assert why_not(free, scripted) == ""


def test_the_card_is_plain_json() -> None:
    assert json.loads(json.dumps(card(turn([5]))))["reply_ids"] == [5]
