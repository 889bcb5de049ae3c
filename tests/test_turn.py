"""Values of a turn: derived numbers count ids."""

from chatapp.turn import Timings, Turn


def test_tokens_per_second_counts_ids_after_the_first() -> None:
    turn = Turn("o", "c", "hi", reply_ids=[1, 2, 3, 4, 5], timings=Timings(first_token=1.0, generating=3.0))
    assert turn.tokens_per_second == 2.0


def test_one_token_has_no_speed() -> None:
    assert Turn("o", "c", "hi", reply_ids=[1], timings=Timings(first_token=1.0, generating=1.0)).tokens_per_second is None


def test_a_reply_that_came_in_one_burst_has_no_speed() -> None:
    """As short ones do from llama.cpp, whose tokens are looked for twelve times a second: 1,990 a second were told."""
    burst = Turn("o", "c", "hi", reply_ids=list(range(200)), timings=Timings(first_token=0.5, generating=0.6))
    assert burst.tokens_per_second is None
    assert Turn("o", "c", "hi", reply_ids=list(range(26)), timings=Timings(first_token=0.5, generating=0.75)).tokens_per_second == 100


def test_a_snapshot_does_not_follow_the_running_turn() -> None:
    turn = Turn("o", "c", "hi")
    copy = turn.snapshot()
    turn.reply_ids.append(7)
    assert copy.reply_ids == []
