"""What the tests of the direct engine share: a tiny model that never ends by itself, one that is watched, and runs of an engine."""

import asyncio
import threading
import time
from pathlib import Path

import torch

from chatapp.engines.direct.engine import DirectEngine
from chatapp.engines.direct.kvcache import cache_argument
from chatapp.models import loading
from chatapp.models.loading import Loaded
from chatapp.models.sources import resolve
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Event, Token

LONG = [3 + n * 7 % 390 for n in range(778)]
SHORT = LONG[:20]
GREEDY = Sampling(temperature=0, max_tokens=24)


class Watched(torch.nn.Module):
    """A model that counts its forward passes, can wait in them, and can fail in the next one."""

    def __init__(self, model) -> None:
        super().__init__()
        self.inner = model
        self.config, self.generation_config, self.device = model.config, model.generation_config, model.device
        self.lengths: list[int] = []
        self.pause = 0.0
        self.failure: BaseException | None = None
        self.entered = threading.Event()

    def get_input_embeddings(self) -> torch.nn.Embedding:
        return self.inner.get_input_embeddings()

    def num_parameters(self) -> int:
        return self.inner.num_parameters()

    def forward(self, input_ids, cache, use_cache, logits_to_keep):
        self.lengths.append(input_ids.shape[1])
        self.entered.set()
        time.sleep(self.pause)
        if self.failure:
            failure, self.failure = self.failure, None
            raise failure
        return self.inner(input_ids=input_ids, use_cache=use_cache, logits_to_keep=logits_to_keep, **{cache_argument(self.inner): cache})


def load(folder: Path, dtype: str = "float32") -> Loaded:
    return loading.load(resolve(str(folder), data_dir=folder), Settings(dtype=dtype, device="cpu"))


def endless(folder: Path, dtype: str = "float32") -> Loaded:
    """Without an end-of-turn token that a random model might draw."""
    loaded = load(folder, dtype)
    loaded.model.generation_config.eos_token_id = None
    return loaded


async def run(engine: DirectEngine, ids, sampling: Sampling) -> list[Event]:
    return [event async for event in engine.generate(ids, sampling)]


def ids_of(events: list[Event]) -> list[int]:
    return [e.id for e in events if isinstance(e, Token)]


async def drawn(engine: DirectEngine, ids, sampling: Sampling) -> list[int]:
    return ids_of(await run(engine, ids, sampling))


def by_generate(model, ids, **options) -> list[int]:
    batch = torch.tensor([list(ids)])
    out = model.generate(
        input_ids=batch, attention_mask=torch.ones_like(batch), max_new_tokens=24, pad_token_id=0, top_p=1.0, **{"top_k": 0, **options}
    )
    return out[0, len(ids) :].tolist()


async def settled(watched: Watched) -> int:
    """Forward passes after nothing has been added for a while."""
    count = -1
    while count != len(watched.lengths):
        count = len(watched.lengths)
        await asyncio.sleep(0.15)
    return count
