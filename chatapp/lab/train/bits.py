"""Bits per byte: how well a model predicts a text, comparable between any two tokenizers."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LN2 = math.log(2)


def windows(count: int, window: int, stride: int) -> Iterator[tuple[int, int, int]]:
    """(begin, end, first predicted), until each of `count` tokens but the first was predicted once. `stride` is below `window`."""
    done, begin = 1, 0
    while done < count:
        end = min(begin + window, count)
        yield begin, end, done
        done, begin = end, begin + stride


def nats(
    model: "torch.nn.Module", ids: Sequence[int], window: int, stride: int, told: Callable[[float], None] = lambda share: None
) -> float:
    """Sum over all tokens but the first, each given what its window holds before it. Only their logits are computed.

    told  the share that is done; raising in it ends the work
    """
    import torch

    row, total = torch.as_tensor(ids, dtype=torch.long, device=model.device), 0.0
    with torch.inference_mode():
        for begin, end, first in windows(len(row), window, stride):
            told(first / len(row))
            wanted = end - first
            logits = model(input_ids=row[None, begin : end - 1], use_cache=False, logits_to_keep=wanted).logits[0, -wanted:]
            total += float(torch.nn.functional.cross_entropy(logits.float(), row[first:end], reduction="sum"))
    return total


def per_byte(nats: float, size: int) -> float:
    """Of a text of so many bytes."""
    return nats / LN2 / size
