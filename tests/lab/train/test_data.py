"""What a step reads; and what a text costs without a network."""

import math

import numpy as np
import pytest

from chatapp.errors import ChatError
from chatapp.lab.train import baselines, bits, data


def test_blocks_lose_only_the_end() -> None:
    rows = data.blocks(np.arange(35, dtype=np.int32), 8)
    assert len(rows) == 4 and rows.ids.ravel().tolist() == list(range(32)) and rows.tokens == 32
    with pytest.raises(ChatError, match=r"3 tokens to train on, not one block of 8"):
        data.blocks(np.arange(3, dtype=np.int32), 8)


def test_padding_counts_in_no_loss_and_the_end_of_a_row_does() -> None:
    rows = data.padded([np.array([5, 6, 7]), np.arange(10, 30)], 8, end=0)
    assert rows.ids.tolist() == [[5, 6, 7, 0, 0, 0, 0, 0], list(range(10, 18))]
    made = data.batch([rows[0], rows[1]])
    assert made["labels"][0].tolist() == [-100, 6, 7, 0, -100, -100, -100, -100]
    assert made["attention_mask"].sum().item() == 4 + 8
    assert "attention_mask" not in data.batch([rows[1]])


def test_baselines_of_a_text_that_is_known() -> None:
    train = np.array([0, 1] * 5000)
    found = baselines.baselines(train, np.array([0, 1] * 50), 2, validation_bytes=100)
    assert found["uniform"] == pytest.approx(1.0) and found["unigram"] == pytest.approx(1.0, abs=1e-3)
    assert found["bigram"] < 0.02


def test_baselines_of_a_toy_text_by_hand() -> None:
    """Read were 0 0 1, so the unigram is (2 + 1) / 5 and (1 + 1) / 5; after 0 came both once: P(1 | 0) = (1 + 2 · 2/5) / (2 + 2)."""
    found = baselines.baselines([0, 0, 1], [0, 1], 2, validation_bytes=4)
    assert found["uniform"] == pytest.approx(2 / 4)
    assert found["unigram"] == pytest.approx(-(math.log2(3 / 5) + math.log2(2 / 5)) / 4)
    assert found["bigram"] == pytest.approx(-(math.log2(3 / 5) + math.log2(1.8 / 4)) / 4)


def test_the_bigram_of_pairs_never_seen_is_the_unigram() -> None:
    """Token 3 was never followed by anything: what comes after it costs what it costs alone."""
    train, validation = np.array([0, 1, 2] * 100), np.array([3, 1])
    counts = np.bincount(train, minlength=4) + 1
    single = counts / counts.sum()
    assert baselines.bigram(train, validation, 4) == pytest.approx(-(math.log(single[3]) + math.log(single[1])) / 2)


def test_a_bigram_is_a_distribution() -> None:
    train = np.random.default_rng(0).integers(0, 7, 500)
    for first in range(7):
        chances = []
        for second in range(7):
            both = 2 * baselines.bigram(train, np.array([first, second]), 7)
            chances.append(math.exp(-(both - baselines.unigram(train, np.array([first]), 7))))
        assert sum(chances) == pytest.approx(1.0)


@pytest.mark.parametrize(("count", "window", "stride"), [(100, 16, 8), (100, 16, 15), (17, 16, 4), (5, 16, 8), (33, 32, 1)])
def test_windows_predict_each_token_but_the_first_once(count: int, window: int, stride: int) -> None:
    predicted = []
    for begin, end, first in bits.windows(count, window, stride):
        assert end - begin <= window and first > begin
        predicted += range(first, end)
    assert predicted == list(range(1, count))
