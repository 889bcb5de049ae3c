"""Numbers of replies and columns, and the verdict on two of them, against numbers computed by hand."""

import pytest

from chatapp.lab.grid import Variant
from chatapp.lab.metrics import BY_NAME, distinct, divergence, repetition, same_text, summaries, tokens_read
from chatapp.lab.verdict import interval, t_975, verdict, verdicts, what_differs
from chatapp.sampling import Sampling
from tests.lab.runs import grid

A = Variant("a", "a", "", "", Sampling(temperature=0.2))
B = Variant("b", "b", "", "", Sampling(temperature=1.2))


def row(column: str, prompt: int = 0, replica: int = 0, *, tokens: int = 1, reply: str = "x", temperature: float = 1.0, **more):
    return {
        "prompt_index": prompt,
        "prompt": f"prompt {prompt}",
        "column": column,
        "replica": replica,
        "count": 1,
        "reply": reply,
        "ids": list(range(tokens)),
        "finish_reason": "end",
        "error": "",
        "tokens": tokens,
        "prompt_tokens": 10,
        "logprob": None,
        "assertions": [],
        "passed": None,
        "seconds": 1.0,
        "timings": {"first_token": 1.0, "generating": 3.0, "cached_prompt_tokens": 4},
        "turn": {
            "sampling": {**Sampling(temperature=temperature).steps(), "max_tokens": 9},
            "revision": "r",
            "model": "m",
            "dtype": "",
            "engine": "",
            "system": "",
            "seed": 1,
        },
        **more,
    }


def test_distinct_and_repetition_count_words() -> None:
    assert distinct("The cat, the cat!", 1) == pytest.approx(4 / 6)
    assert distinct("The cat, the cat!", 2) == pytest.approx(4 / 5)  # the·cat stands twice
    assert distinct("one", 2) is None and repetition("a b c") is None
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)


def test_a_column_is_the_mean_of_its_replies_greedy_ones_as_often_as_they_count() -> None:
    rows = [
        row("a", tokens=10, count=3),
        row("a", 1, tokens=2),
        row("a", 2, finish_reason="error", error="dead", tokens=0),
        row("b", tokens=5),
    ]
    first, second = summaries(["a", "b"], rows)
    assert (first.replies, first.failures, first.means["tokens"]) == (5, 1, (3 * 10 + 2) / 4)
    assert first.means["speed"] == pytest.approx((3 * 9 / 2 + 1 / 2) / 4)
    burst = row("b", tokens=200, timings={"first_token": 0.5, "generating": 0.6, "cached_prompt_tokens": 0})
    assert summaries(["b"], [burst])[0].means["speed"] is None and summaries(["b"], [burst, row("b", tokens=5)])[0].means["speed"] == 2
    assert second.means["tokens"] == 5 and second.means["logprob"] is None
    assert BY_NAME["logprob"].said(None) == "–" and BY_NAME["passed"].said(50.0) == "50 %"
    assert tokens_read(rows) == (24, 40)


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.706), (9, 2.262), (30, 2.042), (40, 2.0211), (60, 2.0003), (120, 1.9799)])
def test_the_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert t_975(freedom) == pytest.approx(quantile, abs=5e-5)


def test_the_interval_is_the_one_computed_by_hand() -> None:
    # mean 2.5; standard deviation √(5/3) = 1.29099; half = 3.182 × 1.29099 / √4 = 2.05397
    assert interval([1, 2, 3, 4]) == pytest.approx((2.5, 0.44603, 4.55397), abs=1e-5)
    assert interval([7]) == (7, None, None) and interval([]) == (None, None, None)


def test_the_verdict_pairs_prompts_and_replicas() -> None:
    rows = [row("a", p, r, tokens=10) for p in (0, 1) for r in (0, 1)]
    rows += [row("b", p, r, tokens=11 + 2 * p + r) for p in (1, 0) for r in (0, 1)]  # +1, +2 and +3, +4: means 1.5 and 3.5
    found = verdict(BY_NAME["tokens"], A, B, rows)
    assert (found.prompts, found.pairs, found.difference) == (2, 4, 2.5) and not found.differs
    assert found.low == pytest.approx(2.5 - 12.706, abs=1e-5)
    assert found.sentence == (
        "Temperature 0.2 → 1.2: no difference in Tokens at 2 prompts, 4 pairs of replies (95 % interval −10.2 to +15.2)."
    )


def test_replicas_of_the_same_words_make_no_interval_narrower() -> None:
    """What was said twenty times of each prompt is known no better than what was said once."""
    once = [row("a", p, tokens=10) for p in range(4)] + [row("b", p, tokens=11 + p) for p in range(4)]  # +1, +2, +3, +4
    often = [{**each, "replica": r} for each in once for r in range(20)]
    one, many = (verdict(BY_NAME["tokens"], A, B, rows) for rows in (once, often))
    assert (many.difference, many.low, many.high) == (one.difference, one.low, one.high) and (one.pairs, many.pairs) == (4, 80)
    assert one.sentence == "Temperature 0.2 → 1.2: Tokens up by 2.5 (95 % interval +0.4 to +4.6, 4 prompts)."


def test_one_prompt_is_judged_by_its_replicas() -> None:
    rows = [row("a", 0, r, tokens=10) for r in range(4)] + [row("b", 0, r, tokens=9 - r) for r in range(4)]  # −1, −2, −3, −4
    found = verdict(BY_NAME["tokens"], A, B, rows)
    assert found.sentence == ("Temperature 0.2 → 1.2: Tokens down by 2.5 (95 % interval −4.6 to −0.4, 4 pairs of replies to one prompt).")


def test_passes_differ_by_points() -> None:
    rows = [row("a", p, passed=False) for p in range(4)] + [row("b", p, passed=p > 0) for p in range(4)]  # 0, 100, 100, 100
    found = verdict(BY_NAME["passed"], A, B, rows)
    assert found.sentence == "Temperature 0.2 → 1.2: no difference in Passed at 4 prompts (95 % interval −5 points to +155 points)."


def test_no_difference_says_at_how_many_replies() -> None:
    rows = [row("a", p, tokens=10 + p) for p in range(3)] + [row("b", p, tokens=11 - p) for p in range(3)]  # +1, −1, −3
    found = verdict(BY_NAME["tokens"], A, B, rows)
    assert found.sentence == "Temperature 0.2 → 1.2: no difference in Tokens at 3 prompts (95 % interval −6.0 to +4.0)."
    assert verdict(BY_NAME["tokens"], A, B, rows[:1] + rows[3:4]).sentence.startswith(
        "Temperature 0.2 → 1.2: one pair of replies says nothing"
    )
    assert verdict(BY_NAME["tokens"], A, B, rows[:3]).sentence.endswith("no two replies have a number for Tokens.")


def test_a_greedy_reply_stands_beside_every_replica_and_two_greedy_ones_are_one_pair() -> None:
    cold = [row("a", p, tokens=10, temperature=0, count=3) for p in range(2)]
    warm = [row("b", p, r, tokens=10 + r) for p in range(2) for r in range(3)]
    assert verdict(BY_NAME["tokens"], A, B, cold + warm).pairs == 6
    colder = [row("b", p, tokens=12, temperature=0, count=3) for p in range(2)]
    found = verdict(BY_NAME["tokens"], A, B, cold + colder)
    assert (found.pairs, found.difference, found.low, found.high) == (2, 2.0, 2.0, 2.0)


def test_failures_are_no_pairs() -> None:
    rows = [row("a", p) for p in range(3)] + [row("b", 0, tokens=2), row("b", 1, tokens=2), row("b", 2, finish_reason="error", tokens=0)]
    assert verdict(BY_NAME["tokens"], A, B, rows).pairs == 2


def test_the_setting_is_named() -> None:
    assert what_differs(A, Variant("b", "b", "small", "", Sampling(temperature=0.2))) == "Model default → small"
    far = Variant("b", "b", "small", "Be short.", Sampling(temperature=0.3, top_k=1))
    assert what_differs(A, far) == "a → b"


def test_verdicts_go_along_each_sweep_and_from_the_first_column_to_the_others() -> None:
    read = grid("{prompts: [p, q], columns: [{name: s, sweep: {top_k: [1, 2, 3]}}, {name: a}, {name: b, top_k: 9}]}")
    rows = [row(variant.label, p) for variant in read.variants() for p in (0, 1)]
    settings = {found.setting for found in verdicts(read, rows)}
    assert settings == {"Top-k 50 → 9", "Top-k 1 → 3"}


def test_replies_part_at_their_first_different_token() -> None:
    one, other = {"ids": [1, 2, 3]}, {"ids": [1, 2, 4, 5]}
    found = divergence(one, other)
    assert (found.index, found.first, found.second) == (2, 3, 4)
    assert divergence(one, {"ids": [1, 2]}).second is None and divergence(one, {"ids": [1, 2, 3]}) is None
    assert same_text("abc", "abd") == 2
