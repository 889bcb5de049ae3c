"""How surprised a model is by a reply that it reads, and how sure it was of each token before it came. Needs PyTorch."""

from collections.abc import Generator
from dataclasses import dataclass

import torch

from chatapp.xray.sampling import ROWS_AT_ONCE, Logits


@dataclass(frozen=True)
class Surprise:
    """Of a reply's tokens, teacher forced: `nats` is minus the natural log of their probability, `entropy` that of the distribution before
    each, in nats; both summed."""

    tokens: int
    nats: float
    entropy: float


def surprise(logits: Logits) -> Generator[float, None, Surprise]:
    """In the model's own distribution, without settings; yields the share done."""
    chosen = torch.tensor(logits.ids[logits.start :])
    nats = entropy = 0.0
    for first in range(0, len(chosen), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        logprobs = logits.rows[part].log_softmax(-1)
        nats -= float(logprobs.gather(1, chosen[part, None]).sum())
        entropy -= float((logprobs.exp() * logprobs.clamp(min=-1e4)).sum())
        yield min(1.0, (first + ROWS_AT_ONCE) / len(chosen))
    return Surprise(len(chosen), nats, entropy)
