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
    TypicalLogitsWarper,
)

from chatapp.sampling import STEP_PARAMS, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import LogitsProcessor

    from chatapp.sampling import SamplingParam


PROCESSORS: "dict[str, Callable[[float], LogitsProcessor]]" = {
    "repetition_penalty": RepetitionPenaltyLogitsProcessor,
    "temperature": TemperatureLogitsWarper,
    "top_k": TopKLogitsWarper,
    "top_p": TopPLogitsWarper,
    "min_p": MinPLogitsWarper,
    "typical_p": TypicalLogitsWarper,
}
"""Each setting's processor, in the order in which they are applied."""

STEPS = tuple(PROCESSORS)


def steps(sampling: Sampling) -> "list[tuple[SamplingParam, LogitsProcessor]]":
    """The settings that do something, with their processors, in order; greedy keeps the repetition penalty alone.

    The penalty counts the prompt's tokens too, as in `generate`: call each with all ids so far, shape (1, n), and the scores.
    """
    params = {param.name: param for param in STEP_PARAMS}
    values = sampling.steps()
    at_work = [name for name in STEPS if values[name] != params[name].off and (name == "repetition_penalty" or not sampling.greedy)]
    return [(params[name], PROCESSORS[name](values[name])) for name in at_work]


def processors(sampling: Sampling) -> LogitsProcessorList:
    """The same processors as one."""
    return LogitsProcessorList(processor for _, processor in steps(sampling))


def random_source(sampling: Sampling, device: torch.device) -> torch.Generator:
    """A generator of this run's own: a seed repeats it, and no other run disturbs it."""
    source = torch.Generator(device=device)
    if sampling.seed is None:
        source.seed()
    else:
        source.manual_seed(sampling.seed)
    return source


def sample(scores: torch.Tensor, source: torch.Generator | None) -> torch.Tensor:
    """One id of shape (1, 1) from processed logits (1, vocabulary); the likeliest when there is no random source."""
    if source is None:
        return scores.argmax(dim=-1, keepdim=True)
    return torch.multinomial(scores.softmax(dim=-1), num_samples=1, generator=source)


def logprob(logits: torch.Tensor, token: torch.Tensor) -> float:
    """Natural log of the token's probability in the model's own distribution, before any processor. NaN if the logits are broken."""
    return float(logits[0, token[0, 0]] - logits.logsumexp(dim=-1)[0])
