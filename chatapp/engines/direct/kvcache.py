"""KV caches kept between turns, so that a growing conversation is not read again: the longest common prefix of ids is reused.

A reply must not depend on what happened to be in a cache. Rounding differs with the number of tokens that go through the model together,
so only what was read in whole CHUNKs counted from the start is kept: any other run would compute the very same bits. What a reply's tokens
left in the cache one by one is not kept; the next turn reads them in chunks, and from then on they are reused.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer

CHUNK = 128
"""Prompt tokens read at a time. Stop is seen between two chunks, and reuse counts in them."""

BLOCK = 256
"""Tokens by which a layer's memory grows."""

CACHE_ARGUMENTS = ("cache", "past_key_values", "cache_params")
"""The first is the name since transformers 5.24; before it attention's caches had the second and recurrent states the third."""


class GrowingLayer(DynamicLayer):
    """A DynamicLayer that writes into spare room instead of copying every key and value at every token."""

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        super().lazy_initialization(key_states, value_states)
        # (1, heads, 0, head size) each; keys and values may differ in head size
        self.keys = self._key_room = key_states[:, :, :0]
        self.values = self._value_room = value_states[:, :, :0]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append (1, heads, new, head size); returns all keys and values so far."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, end = self.keys.shape[-2], self.keys.shape[-2] + key_states.shape[-2]
        if end > self._key_room.shape[-2]:
            self._key_room, self._value_room = _grown(self.keys, end), _grown(self.values, end)
        self._key_room[:, :, start:end] = key_states
        self._value_room[:, :, start:end] = value_states
        self.keys, self.values = self._key_room[:, :, :end], self._value_room[:, :, :end]
        return self.keys, self.values


def _grown(tensor: torch.Tensor, tokens: int) -> torch.Tensor:
    batch, heads, used, size = tensor.shape
    room = tensor.new_empty(batch, heads, -(-tokens // BLOCK) * BLOCK, size)
    room[:, :, :used] = tensor
    return room


def new_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache as the model's layers need it; full attention layers get room to grow."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def cache_argument(model: PreTrainedModel) -> str:
    """The name under which `model.forward` takes a cache. Whether it uses what it is given only a run of it can tell: see filled()."""
    names = inspect.signature(model.forward).parameters
    return next((name for name in CACHE_ARGUMENTS if name in names), CACHE_ARGUMENTS[0])


def filled(cache: DynamicCache) -> bool:
    """Whether the model left something in it to go on from: keys and values, or the states of recurrent layers."""
    return any(
        getattr(layer, "is_initialized", False)
        or any(getattr(layer, "is_conv_states_initialized", {}).values())
        or any(getattr(layer, "is_recurrent_states_initialized", {}).values())
        for layer in cache.layers
    )


def why_not_reusable(config: PreTrainedConfig) -> str:
    """Why caches of this model cannot be cut back to a prefix; '' when they can."""
    kinds = {type(layer).__name__ for layer in new_cache(config).layers} - {GrowingLayer.__name__}
    if any("Sliding" in kind for kind in kinds):
        return f"{config.model_type} has sliding-window layers, which forget the beginning, so every turn is read from the start."
    return f"{config.model_type} has layers whose state cannot be cut back, so every turn is read from the start." if kinds else ""


def size_of(cache: DynamicCache) -> int:
    """Bytes held, spare room included."""
    tensors = [t for layer in cache.layers if layer.is_initialized for t in (layer._key_room, layer._value_room)]
    return sum(t.nbytes for t in tensors)


def kv_bytes_per_token(cache: DynamicCache) -> int:
    """Bytes that one more token takes, read from a cache that holds one. Layers with a state of fixed size count nothing."""
    tensors = [t for layer in cache.layers if isinstance(layer, DynamicLayer) and layer.is_initialized for t in (layer.keys, layer.values)]
    return sum(t[:, :, :1].nbytes for t in tensors)


@dataclass(frozen=True)
class Kept:
    """One cache and exactly the ids it holds."""

    ids: tuple[int, ...]
    cache: DynamicCache
    nbytes: int


class KVCaches:
    """The most recently used caches, at most `number` of them and `nbytes` bytes together. Not thread-safe: one worker owns it."""

    def __init__(self, fresh: Callable[[], DynamicCache], *, number: int, nbytes: int) -> None:
        self._fresh = fresh
        self._number = number
        self._nbytes = nbytes
        self.kept: list[Kept] = []  # oldest first

    def begin(self, ids: Sequence[int]) -> tuple[DynamicCache, int]:
        """A cache to continue with, and how many of the first ids it holds already: always fewer than all, the last must be run."""
        wanted = tuple(ids[:-1])
        best = max(self.kept, key=lambda kept: common(kept.ids, wanted), default=None)
        reused = whole_chunks(common(best.ids, wanted)) if best else 0
        if not reused:
            return self._fresh(), 0
        self.kept.remove(best)
        if reused == len(best.ids):
            return best.cache, reused
        self.kept.append(best)  # another conversation, or an edited one: it stays as it is
        return self._copy(best.cache, reused), reused

    def keep(self, ids: Sequence[int], cache: DynamicCache) -> None:
        """Remember the whole chunks of the prompt `ids` that `cache` holds. Drops what they supersede, then the oldest over the limits."""
        if not self._number:
            return
        held = tuple(ids[: whole_chunks(min(len(ids), cache.get_seq_length()))])
        if not held:
            return
        cache = self._copy(cache, len(held))
        self.kept = [kept for kept in self.kept if common(kept.ids, held) < len(kept.ids)]
        self.kept.append(Kept(held, cache, size_of(cache)))
        while self.kept and (len(self.kept) > self._number or sum(kept.nbytes for kept in self.kept) > self._nbytes):
            self.kept.pop(0)

    def clear(self) -> None:
        """Free them all."""
        self.kept.clear()

    @torch.inference_mode()
    def _copy(self, cache: DynamicCache, tokens: int) -> DynamicCache:
        copy = self._fresh()
        for index, layer in enumerate(cache.layers):
            if layer.is_initialized:
                copy.update(layer.keys[:, :, :tokens], layer.values[:, :, :tokens], index)
        return copy


def whole_chunks(tokens: int) -> int:
    """The part of so many tokens that is read in whole chunks."""
    return tokens // CHUNK * CHUNK


def common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two sequences share from the start."""
    shorter = min(len(first), len(second))
    return next((n for n in range(shorter) if first[n] != second[n]), shorter)
