"""How the next token is drawn: transformers' own processors in transformers' own order. X-ray replays exactly these."""

from typing import TYPE_CHECKING

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from chatapp.sampling import Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator


def processors(sampling: Sampling) -> LogitsProcessorList:
    """Repetition penalty → temperature → top-k → top-p → min-p, each only where it does something; greedy keeps the first alone.

    The penalty counts the prompt's tokens too, as in `generate`: call the list with all ids so far, shape (1, n).
    """
    return LogitsProcessorList(_active(sampling))


def _active(sampling: Sampling) -> "Iterator[object]":
    if sampling.repetition_penalty != 1.0:
        yield RepetitionPenaltyLogitsProcessor(penalty=float(sampling.repetition_penalty))
    if sampling.greedy:
        return
    if sampling.temperature != 1.0:
        yield TemperatureLogitsWarper(float(sampling.temperature))
    if sampling.top_k > 0:
        yield TopKLogitsWarper(top_k=sampling.top_k)
    if sampling.top_p < 1.0:
        yield TopPLogitsWarper(top_p=float(sampling.top_p))
    if sampling.min_p > 0.0:
        yield MinPLogitsWarper(min_p=float(sampling.min_p))


def random_source(sampling: Sampling, device: torch.device) -> torch.Generator:
    """A generator of this run's own: a seed repeats it, and no other run disturbs it."""
    source = torch.Generator(device=device)
    if sampling.seed is None:
        source.seed()
    else:
        source.manual_seed(sampling.seed)
    return source


def draw(scores: torch.Tensor, source: torch.Generator | None) -> torch.Tensor:
    """One id of shape (1, 1) from processed logits (1, vocabulary); the likeliest when there is no random source."""
    if source is None:
        return scores.argmax(dim=-1, keepdim=True)
    return torch.multinomial(scores.softmax(dim=-1), num_samples=1, generator=source)


def logprob(logits: torch.Tensor, token: torch.Tensor) -> float:
    """Natural log of the token's probability in the model's own distribution, before any processor. NaN if the logits are broken."""
    return float(logits[0, token[0, 0]] - logits.logsumexp(dim=-1)[0])
