"""What the tests of the batched engine share: engines on tiny models, models steered, counted and made to fail."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.generation.continuous_batching.cache import PagedAttentionCache

from chatapp.engines.batched.engine import BatchedEngine
from chatapp.models.info import ModelInfo
from chatapp.sampling import Sampling
from chatapp.turn import Event, Finish, Token

MakeBatched = Callable[..., BatchedEngine]
GREEDY = Sampling(temperature=0, max_tokens=24)
HOT = Sampling(temperature=2.0, top_k=0, top_p=1.0, max_tokens=40)
TEXT = "The capital of France is Paris. A transformer reads tokens and predicts the next one. "


@dataclass
class Given:
    """A loaded model, as the loading room hands it over."""

    model: torch.nn.Module
    tokenizer: object
    info: ModelInfo


def given(folder: Path, context: int = 1024, **options: object) -> Given:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)
    return Given(
        model, AutoTokenizer.from_pretrained(folder), ModelInfo("tiny", "", model.num_parameters(), context, "cpu", "float32", "a test")
    )


async def reply(engine: BatchedEngine, prompt: Sequence[int], sampling: Sampling) -> list[Event]:
    return [event async for event in engine.generate(prompt, sampling)]


def ids(events: Sequence[Event]) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


def text(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Token | Finish))


def prompt_of(engine: BatchedEngine, words: str = TEXT, length: int = 40) -> list[int]:
    return (engine.tokenizer(words * 40)["input_ids"])[:length]


def expected(engine: BatchedEngine, prompt: Sequence[int], number: int = GREEDY.max_tokens) -> list[int]:
    """What the model's own generate makes of it, greedily and alone."""
    batch, ends = torch.tensor([list(prompt)]), sorted(engine._ends) or -1
    mask = torch.ones_like(batch)
    out = engine.model.generate(batch, attention_mask=mask, do_sample=False, max_new_tokens=number, eos_token_id=ends, pad_token_id=0)
    return out[0, len(prompt) :].tolist()


@contextmanager
def steered(engine: BatchedEngine, start: int, script: Sequence[int]) -> Iterator[None]:
    """Make the model want exactly `script` after a prompt of `start` tokens."""

    def steer(module, args, kwargs, output):
        positions = kwargs["position_ids"][0, kwargs["logits_indices"].long()].tolist()
        for row, position in enumerate(positions):
            output.logits[0, row, script[min(position + 1 - start, len(script) - 1)]] += 1e6
        return output

    hook = engine.model.register_forward_hook(steer, with_kwargs=True)
    yield
    hook.remove()


@contextmanager
def counted(engine: BatchedEngine) -> Iterator[list[int]]:
    """Tokens of each forward pass."""
    sizes: list[int] = []
    hook = engine.model.register_forward_pre_hook(lambda m, a, kwargs: sizes.append(kwargs["input_ids"].numel()), with_kwargs=True)
    yield sizes
    hook.remove()


@contextmanager
def failing(engine: BatchedEngine, error: BaseException) -> Iterator[None]:
    def fail(module, args):
        raise error

    hook = engine.model.register_forward_pre_hook(fail)
    yield
    hook.remove()


async def settled(engine: BatchedEngine, seconds: float = 5.0) -> None:
    """Wait until no page belongs to a request, or fail."""
    end = time.monotonic() + seconds
    while pages_in_use(engine._batch.cache):
        assert time.monotonic() < end, f"{pages_in_use(engine._batch.cache)} pages are still in use"
        await asyncio.sleep(0.01)


def pages_in_use(cache: PagedAttentionCache) -> int:
    """Pages that belong to a living request; those merely kept for a later turn do not count."""
    return sum(len({page for pages in a.block_table.values() for page in pages}) for a in cache.cache_allocators.values())


def pages_free(cache: PagedAttentionCache) -> int:
    """Pages that a new request could take: empty ones and those kept for a later turn."""
    kept = sum(len(a.ledger.cached_blocks) for a in cache.cache_allocators.values())
    handed_out = sum(cache.pool.count_free_blocks(a.index) for a in cache.cache_allocators.values())
    per_sector = max(a.blocks_per_sector for a in cache.cache_allocators.values())
    return cache.pool.num_free_sectors * per_sector + handed_out + kept
