"""What the batched engine sets up: processors equal to transformers' own, pages that hold what is promised, models refused."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from transformers.generation.continuous_batching.requests import RequestState, RequestStatus

from chatapp.engines.batched.engine import BatchedEngine
from chatapp.engines.batched.paged import CPU_PAGE, cpu_pages, processor_values, processors
from chatapp.engines.sampling import processors as plain_processors
from chatapp.errors import ChatError
from chatapp.models.memory import kv_bytes_per_token
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from tests.batches import GREEDY, MakeBatched, given
from tests.tiny import make_tiny


@pytest.fixture
def engine(make_batched: MakeBatched) -> BatchedEngine:
    return make_batched()


def test_processors_give_transformers_probabilities_row_by_row() -> None:
    samplings = [
        Sampling(temperature=0.3, top_k=5, top_p=0.8),
        Sampling(temperature=1, top_k=0, top_p=1, min_p=0.2),
        Sampling(temperature=2.0, top_k=40, top_p=0.0),
        Sampling(temperature=1.5, top_k=500, top_p=0.95, min_p=0.05),
        Sampling(temperature=1.0, top_k=0, top_p=0.6),
    ]
    scores = torch.randn(len(samplings), 300, generator=torch.Generator().manual_seed(0)) * 3
    probabilities = run_processors(samplings, scores).softmax(-1)
    for row, sampling in enumerate(samplings):
        plain = plain_processors(sampling)(torch.zeros(1, 1, dtype=torch.long), scores[row : row + 1].clone())
        torch.testing.assert_close(probabilities[row], plain.softmax(-1)[0])


def test_temperature_0_keeps_the_first_of_tied_tokens_alone() -> None:
    scores = torch.zeros(2, 50)
    scores[:, [7, 30]] = 4.0
    greedy, other = run_processors([GREEDY, Sampling(temperature=1.0, top_k=1, top_p=1.0)], scores).softmax(-1)
    assert greedy.nonzero().flatten().tolist() == [7]
    assert other.nonzero().flatten().tolist() == [7, 30]


def test_a_step_that_draws_no_token_has_nothing_to_process() -> None:
    assert run_processors([], torch.zeros(0, 50)).shape == (0, 50)


def run_processors(samplings: Sequence[Sampling], scores: torch.Tensor) -> torch.Tensor:
    """The engine's processors on one row of scores per person, the way the manager calls them."""

    class Row:
        has_new_token = True

        def __init__(self, sampling: Sampling) -> None:
            values = processor_values(sampling, scores.size(-1))
            listed.check_kwargs(values)
            self.state = RequestState("", [1], logit_processor_kwargs=values)

    listed = processors()
    storage = torch.zeros(listed.tensors_required, 8, dtype=torch.int32)
    listed.fill_defaults(storage)
    listed.prepare_tensor_args([Row(s) for s in samplings], storage)
    return listed(torch.zeros(len(scores), dtype=torch.long), scores, storage)


def test_a_cancelled_request_counts_as_finished_for_a_step_in_flight(engine: BatchedEngine) -> None:
    scheduler = type(engine._batch.scheduler)(engine._batch.cache, None, 8)
    state = RequestState("gone", [1, 2, 3])
    scheduler.add_waiting_request(state)
    scheduler.set_request_cancellation("gone")
    assert scheduler.clear_cancelled_requests() == [state]
    assert state.status == RequestStatus.FINISHED


def test_models_that_cannot_be_batched_faithfully_are_refused(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"eager attention.*--engine direct"):
        BatchedEngine(given(tiny_llama, attn_implementation="eager"), Settings())
    bloom = make_tiny("bloom", tmp_path / "bloom", chat_template=None)
    with pytest.raises(ChatError, match=r"bloom cannot read a paged KV cache.*--engine direct"):
        BatchedEngine(given(bloom), Settings())


def test_the_context_shrinks_to_what_memory_holds_and_the_cache_holds_what_it_promises(engine: BatchedEngine) -> None:
    config = engine.model.config
    each = kv_bytes_per_token(config, torch.float32)
    assert each == 2 * 2 * 2 * 16 * 4  # keys and values, layers, KV heads, head size, bytes
    roomy = cpu_pages(config, torch.float32, 2048, concurrency=4, free=2**40)
    assert roomy.context == 2048
    tight = cpu_pages(config, torch.float32, 2048, concurrency=4, free=each * 4 * 5000)
    assert 900 <= tight.context <= 1000 and tight.context % CPU_PAGE == 0
    for pages in (roomy, tight):
        assert pages.number * CPU_PAGE * 0.8 >= 4 * pages.context
    with pytest.raises(ChatError, match=r"room for 64 tokens each.*--concurrency"):
        cpu_pages(config, torch.float32, 2048, concurrency=4, free=each * 4 * 400)
