"""The engine for many people at once: transformers' continuous batching over a paged KV cache that turns of a chat share."""

import asyncio
import gc
import logging
import threading
import weakref
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from transformers.generation.continuous_batching.requests import RequestStatus
from transformers.generation.continuous_batching.utils import drain_queue

from chatapp.engines.base import Capabilities, refuse_unreadable, torch_versions
from chatapp.engines.batched.paged import (
    STEPS,
    RememberingScheduler,
    batching_config,
    cpu_pages,
    generation_config,
    keep_config_still,
    processor_values,
    processors,
    refuse_unfit,
)
from chatapp.engines.cores import usable_cores
from chatapp.engines.text import TextStream, end_ids
from chatapp.engines.tokens import ChatTokenizer
from chatapp.errors import ChatError
from chatapp.models.memory import give_back
from chatapp.sampling import Sampling
from chatapp.turn import Event, Finish, Prefilled, Token, new_id

if TYPE_CHECKING:
    from transformers.generation.continuous_batching import ContinuousBatchingManager
    from transformers.generation.continuous_batching.cache import PagedAttentionCache
    from transformers.generation.continuous_batching.requests import GenerationOutput

    from chatapp.models.loading import Loaded
    from chatapp.settings import Settings

HEARTBEAT = 1.0
"""Seconds without news after which a waiting request looks whether the batch still runs."""

STOP_SECONDS = 30.0

OFF = {
    "seed": "Everybody in a batch draws from one stream of random numbers. Greedy replies repeat in float32; in 16-bit formats rounding "
    "depends on the company, and may decide between tokens that are nearly equally likely.",
    "repetition_penalty": "A processor of the batch is given one number per person, not the tokens said so far.",
    "typical_p": "No processor of the batch computes it.",
    "logprobs": "The batch reports a token's probability only after temperature and filters, not the model's own.",
}

# It logs each fatal error itself; its warnings speak of what we have chosen on purpose.
logging.getLogger("ContinuousBatchingLogger").setLevel(logging.ERROR)


@dataclass(frozen=True)
class Batch:
    """A running manager, and the parts of it that outlive its `stop`."""

    manager: "ContinuousBatchingManager"
    scheduler: RememberingScheduler
    cache: "PagedAttentionCache"

    @property
    def alive(self) -> bool:
        """The thread runs and takes new requests."""
        return self.manager.is_running() and self.manager.background_thread_status.can_accept_new_requests() is None


class BatchedEngine:
    """Replies to `settings.concurrency` people at once, one forward pass of the model for all of them.

    What the model's attention becomes: with sdpa, as loading gives it, nothing changes. On CUDA transformers switches the module itself
    to flash attention where that is installed, until close(). Others may run the same module meanwhile, or copy its config
    (keep_config_still), but under flash it has no weights to show: X-ray has a module of its own.
    """

    def __init__(self, loaded: "Loaded", settings: "Settings") -> None:
        self.tokenizer = loaded.tokenizer
        self.model = loaded.model.eval()
        self._concurrency = settings.concurrency
        self._ends = end_ids(self.tokenizer, self.model.generation_config)
        self._vocabulary = self.model.get_output_embeddings().weight.shape[0]
        refuse_unfit(self.model)
        entries = self.model.get_input_embeddings().num_embeddings
        info = replace(loaded.info, engine="batched", vocabulary=entries, versions=torch_versions(settings))
        wanted = min(settings.context or info.context, info.context)
        on_cpu = self.model.device.type == "cpu"
        self._pages = cpu_pages(self.model.config.get_text_config(), self.model.dtype, wanted, settings.concurrency) if on_cpu else None
        if on_cpu:
            torch.set_num_threads(settings.threads or usable_cores())  # threads begun later, such as the batch's, take it over
        self._lock = threading.Lock()
        self._closed = False
        self._batch = self._start()
        self._untouched = keep_config_still(self.model)
        self.capabilities = self._capabilities(wanted)
        self.tokens = ChatTokenizer(self.tokenizer, self._ends, self.capabilities.context)
        self.render, self.budget = self.tokens.render, self.tokens.budget
        self.info = replace(info, context=self.capabilities.context)

    async def generate(self, prompt_ids: Sequence[int], sampling: Sampling) -> AsyncGenerator[Event]:
        """See Engine.generate. What `capabilities.off` names is ignored. Prefilled comes with the first token."""
        self._refuse_impossible(prompt_ids, sampling)
        name, arrived = new_id(), asyncio.Queue()
        reply = Reply(TextStream(self.tokenizer, sampling.stop, prior=prompt_ids), self._ends)
        batch = await self._join(name, arrived, prompt_ids, sampling)
        try:
            while not reply.finished:
                output = await self._news(batch, arrived)
                for event in reply.read(output, batch.scheduler.reused.get(name, 0)):
                    yield event
        finally:
            _forget(batch, name)

    def close(self) -> None:
        """Stop within one step and free the model."""
        self._closed = True
        with self._lock:
            self._stop()
            self._untouched.remove()
            self.model = None
            give_back()

    async def _join(self, name: str, arrived: asyncio.Queue, prompt_ids: Sequence[int], sampling: Sampling) -> Batch:
        """Hand the request to a living batch. One that dies just then refuses it, and the next one takes it."""
        for _ in range(2):
            batch = await self._living()
            batch.manager.register_result_handler(name, arrived.put_nowait)
            if self._accepted(batch, name, prompt_ids, sampling):
                return batch
            _forget(batch, name)
        raise self._failure("twice in a row")

    def _accepted(self, batch: Batch, name: str, prompt_ids: Sequence[int], sampling: Sampling) -> bool:
        accepted = batch.manager.add_request(
            list(prompt_ids),
            request_id=name,
            max_new_tokens=sampling.max_tokens,
            streaming=True,
            eos_token_id=sorted(self._ends),
            **processor_values(sampling, self._vocabulary),
        )
        return accepted is not None

    async def _news(self, batch: Batch, arrived: "asyncio.Queue[GenerationOutput]") -> "GenerationOutput":
        """The next state of a request. Raises ChatError when the request failed or its batch is dead."""
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    output = await arrived.get()
            except TimeoutError:
                if not batch.manager.is_running() and arrived.empty():
                    error = batch.manager.background_thread_status.fatal_error
                    raise self._failure(str(error or "its thread ended")) from None
                continue
            if output.status == RequestStatus.FAILED:
                raise self._failure(output.error or "unknown reason")
            return output

    def _failure(self, reason: str) -> ChatError:
        if self._closed:
            return ChatError("The model was unloaded while it was writing.", status=503)
        if "out of memory" in reason.lower():
            reason += ". A smaller --context or a smaller --concurrency needs less memory"
        return ChatError(f"The model stopped in the middle of a batch ({reason}). It starts again with the next message.", status=503)

    def _refuse_impossible(self, prompt_ids: Sequence[int], sampling: Sampling) -> None:
        """A request that never fits, or that the model cannot read, would end the batch for everybody."""
        if self._closed:
            raise ChatError("The model was unloaded; try again in a moment.", status=503)
        total, context = len(prompt_ids) + sampling.max_tokens, self.capabilities.context
        if not prompt_ids or total > context:
            raise ChatError(
                f"The prompt has {len(prompt_ids)} tokens and {sampling.max_tokens} are reserved for the reply; a person has {context}."
            )
        refuse_unreadable(prompt_ids, self.info)

    async def _living(self) -> Batch:
        batch = self._batch
        return batch if batch is not None and batch.alive else await asyncio.to_thread(self._revive)

    def _revive(self) -> Batch:
        """A new batch in place of a dead one, with empty pages: the error may have spoilt the old ones."""
        with self._lock:
            if self._closed:
                raise ChatError("The model was unloaded; try again in a moment.", status=503)
            if self._batch is None or not self._batch.alive:
                self._stop()
                self._batch = self._start()
            return self._batch

    def _start(self) -> Batch:
        """Build the cache and start the thread. Raises ChatError when that cannot be done."""
        config = batching_config(self.model.device, self._concurrency, self._pages)
        attention = self.model.config._attn_implementation
        try:
            manager = self.model.init_continuous_batching(
                generation_config=generation_config(self._ends), continuous_batching_config=config
            )
            manager.logit_processor = processors()
            manager.warmup()  # makes the cache here, where its failure can be told, and captures the CUDA graphs if there are any
        except (MemoryError, ValueError, ImportError, RuntimeError) as error:  # RuntimeError: CUDA's own, also out of memory
            if self.model.config._attn_implementation != attention:
                self.model.set_attn_implementation(attention)  # a manager that never started does not
            raise ChatError(f"This model cannot be served in batches: {error}. Start with --engine direct.", status=503) from error
        batch = Batch(manager, manager.batch_processor.scheduler, manager.batch_processor.cache)
        # A thread inherits `daemon`. The manager's own would else keep a process alive that ends without close().
        starter = threading.Thread(target=manager.start, daemon=True)
        starter.start()
        starter.join()
        self._finalizer = weakref.finalize(self, _stop_manager, manager)
        return batch

    def _stop(self) -> None:
        if self._batch is not None:
            self._finalizer()
            self._batch = None
            gc.collect()  # the error's traceback holds the cache in a cycle

    @property
    def _cached(self) -> int:
        """Tokens in all pages."""
        return self._batch.cache.num_blocks * self._batch.manager.continuous_batching_config.page_size

    def _capabilities(self, wanted: int) -> Capabilities:
        """On an accelerator the memory is shared out when the cache is made: each person has an equal part of its tokens."""
        cache = self._batch.cache
        context = min(wanted, self._pages.context if self._pages else self._cached // self._concurrency)
        off = dict(OFF)
        if not cache.use_prefix_sharing:
            off["prefix_reuse"] = "Pages of sliding-window layers cannot be shared, so every turn is read from the start."
        return Capabilities(context, STEPS, self._concurrency, off)


class Reply:
    """Turns the growing outputs of one request into events."""

    def __init__(self, text: TextStream, ends: frozenset[int]) -> None:
        self.finished = False
        self._text = text
        self._ends = ends
        self._seen = 0

    def read(self, output: "GenerationOutput", reused: int) -> Iterator[Event]:
        """Events of the ids that are new in `output`, which holds all ids so far."""
        for token in output.generated_tokens[self._seen :]:
            if self._seen == 0:
                yield Prefilled(reused)
            self._seen += 1
            yield from self._token(token)
            if self.finished:
                return
        if output.is_finished():
            self.finished = True
            yield Finish("length", self._text.flush())

    def _token(self, token: int) -> Iterator[Event]:
        end = token in self._ends
        yield Token(token, "" if end else self._text.push(token))
        self.finished = end or self._text.stopped
        if end:
            yield Finish("end", self._text.flush())
        elif self.finished:
            yield Finish("stop")


def _forget(batch: Batch, name: str) -> None:
    """Free the request's pages within a step, if it still has any. transformers keeps the handler of a cancelled request; we do not."""
    batch.manager.cancel_request(name)
    batch.manager.output_router.result_handlers.pop(name, None)
    batch.scheduler.reused.pop(name, None)
    drain_queue(batch.manager.output_router.output_queue)  # where a step goes whose handler is gone


def _stop_manager(manager: "ContinuousBatchingManager") -> None:
    """Fail what is left and end the thread. Also runs when the process ends or an engine is dropped without close()."""
    manager.stop(block=True, timeout=STOP_SECONDS, hard_stop=True)
