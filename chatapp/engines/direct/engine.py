"""The engine that runs everywhere: transformers' model called step by step on one thread, with KV caches kept between turns."""

import inspect
import math
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from chatapp.engines.base import Capabilities, refuse_unreadable, torch_versions
from chatapp.engines.cores import usable_cores
from chatapp.engines.direct.kvcache import (
    CHUNK,
    GrowingLayer,
    KVCaches,
    cache_argument,
    filled,
    kv_bytes_per_token,
    new_cache,
    why_not_reusable,
)
from chatapp.engines.direct.lookup import Lookup
from chatapp.engines.sampling import STEPS, logprob, processors, random_source, sample
from chatapp.engines.text import TextStream, end_ids
from chatapp.engines.tokens import ChatTokenizer
from chatapp.engines.worker import Worker, stream
from chatapp.errors import ChatError
from chatapp.models.memory import affordable_context, free_bytes, give_back
from chatapp.sampling import Sampling
from chatapp.settings import on_zerogpu
from chatapp.turn import Event, Finish, Prefilled, Token

if TYPE_CHECKING:
    from transformers import DynamicCache

    from chatapp.models.loading import Loaded
    from chatapp.settings import Settings

CLOSING_SECONDS = 30.0
GIB = 2**30


class DirectEngine:
    """One reply at a time; the others wait their turn on the same thread."""

    def __init__(self, loaded: "Loaded", settings: "Settings") -> None:
        self.tokenizer = loaded.tokenizer
        self.model = loaded.model.eval()
        self._ends = end_ids(self.tokenizer, self.model.generation_config)
        self._few_logits = "logits_to_keep" in inspect.signature(self.model.forward).parameters
        self._cache_argument = cache_argument(self.model)
        self._closed = False
        self._steps = holding_gpu(self.steps)
        self._worker = Worker("direct engine")
        context = self._room(loaded.info.context, settings)
        self.info = replace(
            loaded.info,
            engine="direct",
            context=context,
            vocabulary=self.model.get_input_embeddings().num_embeddings,
            versions=torch_versions(settings),
        )
        reason = why_not_reusable(self.model.config)
        # A wrong guess is cut off the cache again. In 16 bits the rounding of several rows together decided between near ties: other ids.
        self._draft = settings.draft if not reason and next(self.model.parameters()).dtype == torch.float32 else 0
        self.capabilities = Capabilities(context, STEPS, off={"prefix_reuse": reason} if reason else {})
        self.tokens = ChatTokenizer(self.tokenizer, self._ends, self.capabilities.context)
        self.render, self.budget = self.tokens.render, self.tokens.budget
        self._caches = KVCaches(lambda: new_cache(self.model.config), number=0 if reason else settings.kv_caches, nbytes=settings.kv_bytes)

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        """See Engine.generate. `logprob` of a token is that of the model's own distribution, before temperature and filters."""
        self._refuse_impossible(prompt_ids)
        ids = tuple(prompt_ids)
        events = stream(self._worker, lambda: self._steps(ids, sampling))
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    def taken(self) -> int:
        """Bytes of the KV caches that are kept, which grow with the conversations."""
        return sum(kept.nbytes for kept in self._caches.kept)

    def close(self) -> None:
        """Stop within one step and free the model."""
        self._closed = True
        self._worker.close(timeout=CLOSING_SECONDS)
        self._caches.clear()
        self.model = None
        _free_device_memory()

    def _room(self, most: int, settings: "Settings") -> int:
        """Tokens of context as memory allows. On ZeroGPU there is no GPU yet to ask."""
        if on_zerogpu():
            return min(settings.context or most, most)
        per_token = self._worker.submit(lambda: self._warm_up(settings.threads or usable_cores())).result()
        return affordable_context(most, settings.context, per_token, free_bytes(str(self.model.device)))

    def _warm_up(self, threads: int) -> int:
        """Set the worker's threads, run one token, and return the bytes of KV cache a token takes. Raises ChatError if it keeps none."""
        torch.set_num_threads(threads)  # PyTorch keeps this number per calling thread
        cache = new_cache(self.model.config)
        self._forward([next(iter(self._ends), 0)], cache)
        if not filled(cache):
            raise ChatError(f"Models of type {self.model.config.model_type} keep no key-value cache, so they cannot be served here.")
        return kv_bytes_per_token(cache)

    def steps(self, prompt_ids: tuple[int, ...], sampling: Sampling) -> Generator[Event | None]:
        """The whole run as a plain generator of plain values, closed to stop it; None is yielded after each chunk of the prompt."""
        failure = ""
        try:
            with closing(self._run(prompt_ids, sampling)) as events:
                for event in events:
                    yield event
                    if self._closed:
                        raise ChatError("The model was unloaded while it was writing.", status=503)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            failure = self._out_of_memory(len(prompt_ids), sampling)
        # Outside the handler: the error's traceback would keep the run's tensors alive.
        if failure:
            self._caches.clear()
            _free_device_memory()
            raise ChatError(failure, status=503)

    def _run(self, prompt_ids: tuple[int, ...], sampling: Sampling) -> Generator[Event | None]:
        cache, reused = self._caches.begin(prompt_ids)
        ids = list(prompt_ids)
        try:
            logits = yield from self._prefill(ids, cache, reused)
            yield Prefilled(reused)
            yield from self._decode(ids, cache, logits, sampling)
        except GeneratorExit:
            self._caches.keep(prompt_ids, cache)
            raise
        self._caches.keep(prompt_ids, cache)

    def _prefill(self, ids: list[int], cache: "DynamicCache", reused: int) -> Generator[None, None, torch.Tensor]:
        """Run the prompt through the model; returns the logits after its last token, (1, vocabulary)."""
        # Recurrent layers carry a state from chunk to chunk that not every model can resume: they read the prompt at once.
        chunk = CHUNK if _attention_only(cache) else len(ids)
        for start in range(reused, len(ids), chunk):
            logits = self._forward(ids[start : start + chunk], cache)
            yield
        return logits

    def _decode(self, ids: list[int], cache: "DynamicCache", logits: torch.Tensor, sampling: Sampling) -> Generator[Event]:
        """Draw, show, run; appends what it draws to `ids`. The last drawn token is not run: nobody reads what follows it.

        Guessed tokens run along. What was computed after one holds as long as the draws agree: the ids are those without guesses.
        """
        process = processors(sampling)
        source = None if sampling.greedy else random_source(sampling, logits.device)
        text = TextStream(self.tokenizer, sampling.stop, prior=ids)
        lookup, ahead, guess = Lookup(ids, self._draft), [logits], []
        for n in range(sampling.max_tokens):
            if not ahead:
                if guess:
                    _cut(cache, len(ids) - 1)
                guess = lookup.guess(sampling.max_tokens - n - 1)
                ahead = list(self._forward([ids[-1], *guess], cache, rows=len(guess) + 1).split(1))
            # Only the repetition penalty looks at the ids so far.
            token, probability = self._sample(ids if sampling.repetition_penalty != 1 else ids[-1:], ahead.pop(0), process, source)
            ids.append(token)
            if not lookup.saw(token):
                ahead = []
            if token in self._ends:
                yield Token(token, "", probability)
                yield Finish("end", text.flush())
                return
            yield Token(token, text.push(token), probability)
            if text.stopped:
                yield Finish("stop")
                return
        yield Finish("length", text.flush())

    @torch.inference_mode()
    def _forward(self, ids: Sequence[int], cache: "DynamicCache", rows: int = 1) -> torch.Tensor:
        """Append `ids` to the cache; returns the logits after each of the last `rows` ids, float32 (rows, vocabulary)."""
        batch = torch.tensor([ids], device=self.model.device)
        few = {"logits_to_keep": rows} if self._few_logits else {}
        out = self.model(input_ids=batch, use_cache=True, **{self._cache_argument: cache}, **few)
        return out.logits[0, -rows:].to(dtype=torch.float32)

    @torch.inference_mode()
    def _sample(self, ids: list[int], logits: torch.Tensor, process: list, source: torch.Generator | None) -> tuple[int, float]:
        """The next id and the natural log of its probability before any processing."""
        token = sample(process(torch.tensor([ids], device=logits.device), logits), source)
        probability = logprob(logits, token)
        if math.isnan(probability):
            raise ChatError(f"The model's output is not a number in {self.info.dtype}. Start with --dtype float32.", status=500)
        return int(token), probability

    def _refuse_impossible(self, prompt_ids: Sequence[int]) -> None:
        if self._closed:
            raise ChatError("The model was unloaded; try again in a moment.", status=503)
        if not 0 < len(prompt_ids) < self.info.context:
            raise ChatError(f"The prompt has {len(prompt_ids)} tokens; this model takes 1 to {self.info.context - 1}.")
        refuse_unreadable(prompt_ids, self.info)

    def _out_of_memory(self, tokens: int, sampling: Sampling) -> str:
        used = ""
        if self.model.device.type == "cuda":
            free, total = torch.cuda.mem_get_info(self.model.device)
            used = f" ({free / GIB:.1f} of {total / GIB:.1f} GiB were free)"
        return (
            f"The model ran out of memory on {self.model.device}{used}, with a prompt of {tokens} tokens and up to {sampling.max_tokens} "
            "for the reply. Shorten the conversation, lower max tokens, or start with a smaller --context."
        )


def holding_gpu(steps: Callable[..., Generator]) -> Callable[..., Generator]:
    """On a ZeroGPU Space: `steps` as run by a process that holds the GPU for the length of the run. Elsewhere `steps` itself.

    That process is a fork: it takes and yields values that can be pickled, and keeps its own KV caches while it lives.
    """
    if not on_zerogpu():
        return steps
    import spaces  # only there, where it is preinstalled

    return spaces.GPU(steps)


def _cut(cache: "DynamicCache", tokens: int) -> None:
    """Take back what wrong guesses have left behind the first `tokens`."""
    if (behind := cache.get_seq_length() - tokens) > 0:
        cache.crop(-behind)


def _attention_only(cache: "DynamicCache") -> bool:
    return all(isinstance(layer, GrowingLayer) or type(layer).__name__ == "DynamicSlidingWindowLayer" for layer in cache.layers)


def _is_out_of_memory(error: BaseException) -> bool:
    """CUDA has a type for it; PyTorch's CPU allocator only words."""
    words = str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in words or "not enough memory" in words


def _free_device_memory() -> None:
    give_back()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
