"""How likely recorded tokens are to a model, alone and under sampling settings; and both distributions at one of them. Needs PyTorch."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch

from chatapp.engines.sampling import steps
from chatapp.sampling import Sampling
from chatapp.xray.sampling import ROWS_AT_ONCE, Logits


@dataclass(frozen=True)
class Likelihood:
    """Of some tokens, teacher forced.

    nats     minus the natural log of their probability in the model's own distribution, summed
    settled  the same under the settings, over those tokens that the settings leave a chance; of greedy ones 0
    cut      how many tokens the settings leave none: cut by a filter, or not the likeliest where that is always taken
    """

    tokens: int
    nats: float
    settled: float
    cut: int

    @property
    def perplexity(self) -> float:
        """Per token."""
        return math.exp(self.nats / self.tokens)

    @property
    def logprob(self) -> float:
        """Mean over the tokens, natural log."""
        return -self.nats / self.tokens

    @property
    def logprob_settled(self) -> float:
        """The same under the settings, which leave a reply no chance that has one token cut."""
        return -math.inf if self.cut else -self.settled / self.tokens


def likelihood(logits: Logits, sampling: Sampling) -> Generator[float, None, Likelihood]:
    """Of the reply that `logits` were read of; yields the share done."""
    chosen = torch.tensor(logits.ids[logits.start :])
    nats = settled = 0.0
    cut = 0
    for first in range(0, len(chosen), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        own = chosen[part, None]
        nats -= float(logits.rows[part].log_softmax(-1).gather(1, own).sum())
        scores = settings_applied(logits, first, sampling)
        left = scores.log_softmax(-1).gather(1, own)[:, 0] if not sampling.greedy else _likeliest(scores, own[:, 0])
        cut += int(torch.isinf(left).sum())
        settled -= float(left[torch.isfinite(left)].sum())
        yield min(1.0, (first + ROWS_AT_ONCE) / len(chosen))
    return Likelihood(len(chosen), nats, settled, cut)


def settings_applied(logits: Logits, first: int, sampling: Sampling) -> torch.Tensor:
    """Scores of up to ROWS_AT_ONCE tokens from `first` on, (tokens, vocabulary), after the steps of the settings; -inf where they cut."""
    scores = logits.rows[first : first + ROWS_AT_ONCE]
    for param, process in steps(sampling):
        if param.name == "repetition_penalty":  # the only one that looks at what stands before: another text for each token
            before = [torch.tensor([logits.ids[: logits.start + first + n]]) for n in range(len(scores))]
            scores = torch.cat([process(ids, row[None]) for ids, row in zip(before, scores, strict=True)])
        else:
            scores = process(torch.empty((len(scores), 0), dtype=torch.long), scores)
    return scores


def _likeliest(scores: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """0 for a token that greedy decoding takes, else -inf."""
    return torch.where(scores.argmax(-1) == chosen, 0.0, -math.inf)


def distributions(logits: Logits, position: int, sampling: Sampling, tokens: list[int], top: int = 10) -> dict[str, Any]:
    """What a token was drawn from: {kept, of, candidates}. Greedy settings leave the likeliest alone.

    `kept` tokens `of` the vocabulary the settings leave a chance; `candidates` are the `top` of the model, the `top` after the settings and
    `tokens`, each once as {id, rank, p, left}: its probability to the model and after the settings. The likeliest to the model is first.
    """
    raw = logits.rows[position]
    first = position // ROWS_AT_ONCE * ROWS_AT_ONCE
    after = settings_applied(logits, first, sampling)[position - first]
    if sampling.greedy:
        after = torch.full_like(after, -math.inf).index_fill_(0, after.argmax()[None], 0.0)
    before, left = raw.softmax(-1), after.softmax(-1)
    most, kept = min(top, len(raw)), int(torch.isfinite(after).sum())
    ids = {*before.topk(most).indices.tolist(), *left.topk(min(most, kept)).indices.tolist(), *tokens}
    found = [{"id": id, "rank": int((raw > raw[id]).sum()) + 1, "p": float(before[id]), "left": float(left[id])} for id in ids]
    return {"kept": kept, "of": len(raw), "candidates": sorted(found, key=lambda one: (one["rank"], one["id"]))}
