"""What a chat sets up in transformers' continuous batching: page sizes, each person's own sampling, and a scheduler that remembers."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
    ContinuousBatchingTemperatureLogitsWarper,
    ContinuousBatchingTopKLogitsWarper,
    ContinuousBatchingTopPLogitsWarper,
)
from transformers.generation.continuous_batching.requests import RequestState, RequestStatus
from transformers.generation.continuous_batching.scheduler import SCHEDULER_MAPPING, FIFOScheduler
from transformers.generation.logits_process import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from chatapp.errors import ChatError
from chatapp.models.memory import free_memory, kv_bytes_per_token
from chatapp.sampling import Sampling

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedConfig, PreTrainedModel
    from transformers.generation.continuous_batching.requests import FutureRequestState

CPU_PAGE = 32
"""Tokens in a page on a CPU. Whole pages are shared between turns, so at most this many tokens are read again."""

CPU_CHUNK = 256
"""Tokens of a step on a CPU. Longer prompts are read in chunks, between which the others go on and a cancellation is seen."""

CPU_MEMORY_SHARE = 0.25
"""Share of the free memory that the KV cache may take on a CPU."""

IN_USE = 0.8
"""Share of the pages that living requests can fill. The scheduler drops every kept page and holds new prompts back once 85 % are full."""

LEAST_CONTEXT = 256
"""Below this many tokens per person a chat is not worth starting."""

GIB = 2**30


@dataclass(frozen=True)
class Pages:
    """The KV cache on a CPU: `number` pages of CPU_PAGE tokens, so that every person has `context` tokens."""

    context: int
    number: int


def cpu_pages(config: "PreTrainedConfig", dtype: torch.dtype, context: int, concurrency: int, free: int | None = None) -> Pages:
    """Pages for `concurrency` × `context` tokens, or with as many as fit. `free` is memory in bytes, None asks the machine.

    Raises ChatError when not even LEAST_CONTEXT tokens each fit.
    """
    free = free_memory() if free is None else free
    each = kv_bytes_per_token(config, dtype)
    fitting = int(free * CPU_MEMORY_SHARE * IN_USE) // (each * concurrency) // CPU_PAGE * CPU_PAGE
    if fitting < min(context, LEAST_CONTEXT):
        raise ChatError(
            f"The KV cache of {concurrency} people has room for {fitting} tokens each: {free / GIB:.1f} GiB of memory are free and a token "
            f"takes {each / 1024:.0f} KiB. Start with a smaller --concurrency, or with --engine direct."
        )
    context = min(context, fitting)
    return Pages(context, int(-(-context // CPU_PAGE) * concurrency / IN_USE) + 1)


def batching_config(device: torch.device, concurrency: int, pages: Pages | None) -> ContinuousBatchingConfig:
    """How transformers is to batch. `pages` is for a CPU; on an accelerator transformers sizes the cache by the free memory."""
    common = dict(per_request_processors=True, scheduler_type=RememberingScheduler.name, max_requests_per_batch=concurrency)
    if device.type == "cpu":
        assert pages is not None
        # Flash attention is no use on a CPU, and looking for it may ask the Hub for a kernel.
        return ContinuousBatchingConfig(
            page_size=CPU_PAGE, num_blocks=pages.number, max_batch_tokens=max(CPU_CHUNK, concurrency), auto_switch_to_flash=False, **common
        )
    # Not measured by us on any GPU, so left to transformers: pages of 256 tokens, 8192 tokens a step, 80 % of the free memory, flash
    # attention where it is installed, and with it CUDA graphs and the asynchronous loop (with sdpa it turns both off).
    return ContinuousBatchingConfig(**common)


def generation_config(ends: frozenset[int]) -> GenerationConfig:
    """do_sample and non-neutral values: transformers reserves memory for processors only where the defaults need some."""
    return GenerationConfig(do_sample=True, temperature=0.7, top_k=50, top_p=0.95, eos_token_id=sorted(ends) or -1)


class RememberingScheduler(FIFOScheduler):
    """First come first served, and remembers how many tokens of each prompt were in the cache already: `reused`, by request."""

    name = "chatapp"

    def reset(self) -> None:
        super().reset()
        self.reused: dict[str, int] = {}

    def _infer_request_tokens(self, state: RequestState, request_ids_to_remove_from_waiting: set[str]) -> list[int]:
        before = state.position_offset
        tokens = super()._infer_request_tokens(state, request_ids_to_remove_from_waiting)
        if state.position_offset > before:
            self.reused[state.request_id] = state.position_offset - before
        return tokens

    def clear_cancelled_requests(self) -> list[RequestState]:
        """As in transformers, and marks them finished.

        In its asynchronous loop a cancelled request may still be in flight, and only a finished one is skipped when the step's tokens
        come in; the others are looked up in the pages just freed, which ends the loop with a KeyError.
        """
        cancelled = super().clear_cancelled_requests()
        for state in cancelled:
            state.status = RequestStatus.FINISHED
            self.reused.pop(state.request_id, None)
        return cancelled


SCHEDULER_MAPPING[RememberingScheduler.name] = RememberingScheduler


class Temperature(ContinuousBatchingTemperatureLogitsWarper):
    """Divides by each person's temperature; at 0 it keeps the first of the likeliest tokens alone, exactly as argmax does.

    top_k=1 would not do: where two tokens tie, as they often do in bfloat16, it keeps both and one of them is drawn.
    """

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        temperature = tensor_arg[: scores.size(0)].view(dtype=torch.float32).unsqueeze(-1)
        others = torch.arange(scores.size(-1), device=scores.device) != scores.argmax(dim=-1, keepdim=True)
        greedy = temperature <= 0
        return (scores / torch.where(greedy, 1.0, temperature)).masked_fill(greedy & others, -torch.inf)


class TopK(ContinuousBatchingTopKLogitsWarper):
    """As in transformers, without sorting the whole vocabulary on a CPU: that took 53 ms a step for 8 people, this takes 7."""

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        # Elsewhere a size that depends on the data would make the host wait, and no CUDA graph could hold it.
        if scores.device.type != "cpu" or not len(scores):
            return super().__call__(scores, tensor_arg)
        top_k = tensor_arg[: len(scores)]
        best = scores.topk(int(top_k.max()), dim=-1).values
        return scores.masked_fill(scores < best.gather(-1, top_k.long().unsqueeze(-1) - 1), self.filter_value)


class TopP(ContinuousBatchingTopPLogitsWarper):
    """As in transformers, on a CPU over the tokens that top-k has left."""

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        if scores.device.type != "cpu" or not len(scores):
            return super().__call__(scores, tensor_arg)
        best, where = scores.topk(int(scores.isfinite().sum(dim=-1).max()), dim=-1)
        return torch.full_like(scores, self.filter_value).scatter(-1, where, super().__call__(best, tensor_arg))


class MinP(ContinuousBatchingLogitsProcessor):
    """Drops tokens less likely than each person's share of the likeliest one; 0 drops none."""

    supported_kwargs = {"min_p": float}  # noqa: RUF012  the base class declares it so
    ignored_kwargs = ()

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        int32_tensor.zero_()  # the bits of 0.0

    def prepare_tensor_args(self, requests_with_new_token: "list[FutureRequestState]") -> torch.Tensor:
        shares = [request.state.logit_processor_kwargs.get("min_p", 0.0) for request in requests_with_new_token]
        return torch.tensor(shares, dtype=torch.float32).view(dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        share = tensor_arg[: scores.size(0)].view(dtype=torch.float32).unsqueeze(-1)
        probability = scores.softmax(dim=-1)
        return scores.masked_fill(probability < share * probability.amax(dim=-1, keepdim=True), -torch.inf)


STEPS = ("temperature", "top_k", "top_p", "min_p")
"""Transformers' order."""


def processors() -> ContinuousBatchingLogitsProcessorList:
    """Each person's own STEPS. The values are replaced per request."""
    own = [Temperature(TemperatureLogitsWarper(1.0)), TopK(TopKLogitsWarper(50)), TopP(TopPLogitsWarper(1.0)), MinP()]
    listed = ContinuousBatchingLogitsProcessorList(LogitsProcessorList(own))
    listed.tensors_required = len(own)  # transformers counts only those that it has converted itself
    return listed


def processor_values(sampling: Sampling, vocabulary: int) -> dict[str, float | int]:
    """One request's values. Off is the whole vocabulary for top-k (transformers reads 0 as 1) and 1 for top-p."""
    if sampling.greedy:
        return {"temperature": 0.0, "top_k": 1, "top_p": 1.0, "min_p": 0.0}
    return {
        "temperature": float(sampling.temperature),
        "top_k": min(sampling.top_k or vocabulary, vocabulary),
        "top_p": float(sampling.top_p),
        "min_p": float(sampling.min_p),
    }


def refuse_unfit(model: "PreTrainedModel") -> None:
    """Raise ChatError for models whose attention would silently ignore the pages, or that miscompute with them."""
    if not model._supports_attention_backend:
        raise ChatError(f"Models of type {model.config.model_type} cannot read a paged KV cache. Start with --engine direct.")
    if len(set(getattr(model, "hf_device_map", {}).values())) > 1:
        raise ChatError("This model is spread over several devices, and the paged KV cache lies on one. Start with --engine direct.")
    # transformers' paged eager attention knows no softcap (Gemma 2) and would run without it.
    if model.config._attn_implementation in ("eager", "paged|eager"):
        raise ChatError(
            f"This {model.config.model_type} model runs with eager attention, which cannot be batched faithfully. "
            "Start with --engine direct."
        )


def keep_config_still(model: "PreTrainedModel") -> "RemovableHandle":
    """Take `is_causal` out of the batch's calls of the model.

    transformers writes it into the shared config for the length of each call: another thread that runs the module, or copies its config
    for an X-ray, at that moment gets attention that looks ahead, without a word. Nothing needs it: sdpa is given a mask, and flash
    attention is causal anyway.
    """
    return model.register_forward_pre_hook(lambda _, args, kwargs: (args, _without(kwargs, "is_causal")), with_kwargs=True)


def _without(values: dict[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}
