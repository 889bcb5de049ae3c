"""What a text costs without a network, in bits per byte: each token as likely as any, as often as in training, and as after the one before.

A curve that falls below the first has learned letters, below the second words, below the third their order.
"""

import math
from collections.abc import Sequence

import numpy as np

LN2 = math.log(2)


def baselines(train: Sequence[int], validation: Sequence[int], entries: int, validation_bytes: int) -> dict[str, float]:
    """{uniform, unigram, bigram} in bits per byte of the validation text; both are ids in a row, with the ends of documents."""
    before, after = np.asarray(train, np.int64), np.asarray(validation, np.int64)
    per_byte = len(after) / validation_bytes / LN2
    return {
        "uniform": math.log(entries) * per_byte,
        "unigram": unigram(before, after, entries) * per_byte,
        "bigram": bigram(before, after, entries) * per_byte,
    }


def unigram(train: np.ndarray, validation: np.ndarray, entries: int) -> float:
    """Nats per token. One is added to each count, for what training never saw."""
    counts = np.bincount(train, minlength=entries) + 1.0
    return float(-np.log(counts / counts.sum())[validation].mean())


def bigram(train: np.ndarray, validation: np.ndarray, entries: int) -> float:
    """Nats per token after the one before it, interpolated (Witten and Bell, 1991): what followed that one in training, mixed with the
    unigram, of which it takes the more, the more different tokens followed."""
    counts = np.bincount(train, minlength=entries) + 1.0
    single = counts / counts.sum()
    pairs, seen = np.unique(train[:-1] * entries + train[1:], return_counts=True)
    total = np.bincount(pairs // entries, weights=seen, minlength=entries)
    kinds = np.bincount(pairs // entries, minlength=entries)
    wanted = validation[:-1] * entries + validation[1:]
    place = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
    found = np.where(pairs[place] == wanted, seen[place], 0)
    first, second = validation[:-1], validation[1:]
    chance = (found + kinds[first] * single[second]) / np.maximum(total[first] + kinds[first], 1)
    chance = np.where(total[first] > 0, chance, single[second])
    return float(-np.log(np.concatenate([single[validation[:1]], chance])).mean())
