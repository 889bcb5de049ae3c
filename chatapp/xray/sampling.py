"""How each token of a reply was drawn: its probability, rank, entropy and alternatives, and the steps from logits to the draw."""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel

from chatapp.engines.direct.kvcache import cache_argument
from chatapp.engines.sampling import steps as engine_steps
from chatapp.errors import ChatError
from chatapp.sampling import Sampling

CHUNK = 128
"""Tokens passed through the model at once: progress is shown, and a chat running beside it gets its turn, between two chunks."""

MAX_ROWS_BYTES = 2**30

ROWS_AT_ONCE = 64
"""Rows of the vocabulary turned into probabilities at once: 64 × 262 144 float32 are 64 MiB."""


@dataclass(frozen=True)
class Logits:
    """What the model said before each token of a reply.

    ids    prompt and reply; start  index of the reply's first token in it
    rows   (reply tokens, vocabulary) float32, row n is the distribution that ids[start + n] was drawn from
    """

    ids: tuple[int, ...]
    start: int
    rows: torch.Tensor


def read(model: PreTrainedModel, prompt_ids: Sequence[int], reply_ids: Sequence[int]) -> Generator[float, None, Logits]:
    """Pass the recorded ids through the model, CHUNK at a time; yields the share done, returns the reply's rows.

    Refuses with numbers a reply whose rows would take more than MAX_ROWS_BYTES.
    """
    ids, start = (*prompt_ids, *reply_ids), len(prompt_ids)
    refuse_too_large(len(reply_ids), model.config.get_text_config().vocab_size)
    cache, name, rows = DynamicCache(config=model.config), cache_argument(model), []
    for first in range(0, len(ids) - 1, CHUNK):
        part = ids[first : min(first + CHUNK, len(ids) - 1)]
        wanted = min(len(part), max(0, first + len(part) - (start - 1)))
        with torch.inference_mode():
            tensor = torch.tensor([part], device=model.device)
            logits = model(tensor, use_cache=True, logits_to_keep=max(1, wanted), **{name: cache}).logits[0]
        if wanted:
            rows.append(logits[-wanted:].float().cpu())
        yield (first + len(part)) / (len(ids) - 1)
    return Logits(ids, start, torch.cat(rows))


def refuse_too_large(tokens: int, vocabulary: int) -> None:
    """A row of probabilities for every token of the vocabulary takes 4 bytes each."""
    needed = tokens * vocabulary * 4
    if needed > MAX_ROWS_BYTES:
        raise ChatError(
            f"{tokens} reply tokens × {vocabulary} vocabulary entries take {needed / 2**30:.1f} GiB; at most "
            f"{MAX_ROWS_BYTES / 2**30:.0f} GiB are used. Look at a shorter reply."
        )


def overview(logits: Logits, top: int = 10) -> Iterator[list[dict[str, Any]]]:
    """Rows for the heat map, a chunk at a time: raw logprob, probability, rank (1 is likeliest), entropy in bits, `top` alternatives."""
    chosen = torch.tensor(logits.ids[logits.start :])
    for first in range(0, len(chosen), ROWS_AT_ONCE):
        part = slice(first, first + ROWS_AT_ONCE)
        yield _overview(logits.rows[part], chosen[part], top)


def _overview(rows: torch.Tensor, chosen: torch.Tensor, top: int) -> list[dict[str, Any]]:
    logprobs = rows.log_softmax(-1)
    own = logprobs.gather(1, chosen[:, None])
    ranks = (logprobs > own).sum(-1) + 1
    entropy = -(logprobs.exp() * logprobs.clamp(min=-1e4)).sum(-1) / math.log(2)
    best, ids = logprobs.topk(min(top, rows.shape[-1]))
    return [
        {
            "id": int(chosen[n]),
            "logprob": float(own[n, 0]),
            "p": math.exp(float(own[n, 0])),
            "rank": int(ranks[n]),
            "entropy": float(entropy[n]),
            "top": [(int(i), math.exp(float(p))) for i, p in zip(ids[n], best[n], strict=True)],
        }
        for n in range(len(chosen))
    ]


def pipeline(logits: Logits, position: int, sampling: Sampling, top: int = 10) -> list[dict[str, Any]]:
    """The steps of one draw: raw, then after each processor of this sampling, in the order they are applied.

    Every step has its name, the setting it comes from ('' for the raw logits), the number of tokens left, the drawn token's probability
    and the `top` candidates. Greedy ends after the penalty: the likeliest token is taken.
    """
    ids = torch.tensor([logits.ids[: logits.start + position]])
    drawn = logits.ids[logits.start + position]
    scores = logits.rows[position][None]
    steps = [step("logits", scores[0], drawn, top) | {"setting": ""}]
    for param, processor in engine_steps(sampling):
        scores = processor(ids, scores)
        steps.append(step(param.label.lower(), scores[0], drawn, top) | {"setting": param.name})
    return steps


def step(name: str, scores: torch.Tensor, drawn: int, top: int) -> dict[str, Any]:
    """One distribution of the pipeline. Tokens cut by a filter have score -inf and are not counted in `kept`."""
    probabilities = scores.softmax(-1)
    best, ids = probabilities.topk(min(top, len(scores)))
    return {
        "name": name,
        "kept": int(torch.isfinite(scores).sum()),
        "p": float(probabilities[drawn]),
        "top": [(int(i), float(p)) for i, p in zip(ids, best, strict=True) if p > 0],
    }


def perplexity(model: PreTrainedModel, ids: Sequence[int], text: str, window: int = 512) -> Iterator[dict[str, Any]]:
    """Running perplexity of a pasted text, half a window at a time: each token sees at least half a window of what stands before it.

    bits_per_byte compares models with different tokenizers; perplexity, being per token, does not.
    """
    nats, counted, stride = 0.0, 0, window // 2
    for first in range(0, max(1, len(ids) - 1), stride):
        start = max(0, first - stride)
        end = min(first + stride + 1, len(ids))
        new = end - first - 1
        if new < 1:
            break
        tensor = torch.tensor([list(ids[start:end])], device=model.device)
        with torch.inference_mode():
            rows = model(tensor, use_cache=False, logits_to_keep=new + 1).logits[0, :-1].float()
        nats -= float(rows.log_softmax(-1).gather(1, tensor[0, -new:, None]).sum())
        counted += new
        yield {
            "tokens": counted,
            "of": len(ids) - 1,
            "perplexity": math.exp(nats / counted),
            "bits_per_byte": nats / math.log(2) / max(1, len(text.encode())) * (len(ids) - 1) / counted,
        }
