"""Recomputed probabilities equal generate's own scores; the pipeline is the one that drew the token."""

import math

import pytest
import torch
from transformers import AutoModelForCausalLM

from chatapp.errors import ChatError
from chatapp.sampling import Sampling
from chatapp.xray import module, sampling
from tests.tiny import make_tiny

FAMILIES = ("llama", "gpt2", "qwen3", "gemma2", "gemma3_text", "mistral", "phi3")
PROMPT = list(range(3, 20))
SETTINGS = {
    "hot": Sampling(temperature=1.3, top_k=50, top_p=0.95, min_p=0.05, repetition_penalty=1.2, max_tokens=12),
    "plain": Sampling(temperature=1.0, top_k=0, top_p=1.0, max_tokens=12),
    "typical": Sampling(temperature=1.3, top_k=0, top_p=1.0, typical_p=0.4, max_tokens=12),
    "narrow": Sampling(temperature=0.7, top_k=5, top_p=0.6, max_tokens=12),
}


@pytest.fixture(scope="module", params=FAMILIES)
def served(request, tmp_path_factory):
    folder = make_tiny(request.param, tmp_path_factory.mktemp(request.param), chat_template=None)
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def generated(model, s: Sampling):
    torch.manual_seed(3)
    return model.generate(
        torch.tensor([PROMPT]),
        attention_mask=torch.ones(1, len(PROMPT), dtype=torch.long),
        do_sample=True,
        max_new_tokens=s.max_tokens,
        min_new_tokens=None,
        eos_token_id=None,
        temperature=s.temperature,
        top_k=s.top_k,
        top_p=s.top_p,
        min_p=s.min_p or None,
        repetition_penalty=s.repetition_penalty,
        typical_p=s.typical_p,
        output_logits=True,
        output_scores=True,
        return_dict_in_generate=True,
    )


def finished(steps):
    """Run a generator to its end; gives what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("s", SETTINGS.values(), ids=SETTINGS)
def test_probabilities_equal_those_of_generate(served, s: Sampling) -> None:
    out = generated(served, s)
    reply = out.sequences[0, len(PROMPT) :].tolist()
    logits = finished(sampling.read(module.twin(served), PROMPT, reply))
    rows = [row for chunk in sampling.overview(logits) for row in chunk]
    for n, token in enumerate(reply):
        raw = float(out.logits[n][0].softmax(-1)[token])
        drawn = float(out.scores[n][0].softmax(-1)[token])
        assert rows[n]["id"] == token
        assert rows[n]["p"] == pytest.approx(raw, abs=1e-4)
        steps = sampling.pipeline(logits, n, s)
        assert steps[-1]["p"] == pytest.approx(drawn, abs=1e-4)
        assert steps[-1]["kept"] == int(torch.isfinite(out.scores[n][0]).sum())


def test_the_pipeline_names_its_steps_in_the_order_they_are_applied() -> None:
    logits = sampling.Logits((1, 2, 3), 2, torch.randn(1, 40))
    names = [s["name"] for s in sampling.pipeline(logits, 0, SETTINGS["hot"])]
    assert names == ["logits", "repetition penalty", "temperature", "top-k", "top-p", "min-p"]


def test_rank_entropy_and_alternatives_of_a_known_distribution() -> None:
    p = torch.tensor([0.5, 0.25, 0.125, 0.125])
    logits = sampling.Logits((0, 1), 1, p.log()[None])
    (row,) = next(sampling.overview(logits, top=2))
    assert (row["rank"], row["p"], row["entropy"]) == (2, pytest.approx(0.25), pytest.approx(1.75))
    assert row["top"] == [(0, pytest.approx(0.5)), (1, pytest.approx(0.25))]


@pytest.mark.parametrize("length", [2, 7, 8, 9, 33])
def test_perplexity_counts_every_token_once(served, length: int) -> None:
    ids = [3 + n % 40 for n in range(length)]
    last = list(sampling.perplexity(served, ids, "x" * 10, window=64))[-1]
    with torch.inference_mode():
        loss = served(torch.tensor([ids]), labels=torch.tensor([ids])).loss
    assert last["tokens"] == length - 1
    assert last["perplexity"] == pytest.approx(math.exp(float(loss)), rel=1e-3)


def test_a_long_text_is_read_in_windows_that_cover_it(served) -> None:
    ids = [3 + n % 40 for n in range(100)]
    seen = list(sampling.perplexity(served, ids, "x" * 100, window=32))
    assert seen[-1]["tokens"] == 99 and len(seen) > 4


def test_reading_in_chunks_equals_reading_at_once(served) -> None:
    prompt, reply = [3 + n % 40 for n in range(150)], [5 + n % 30 for n in range(200)]
    shares = list(sampling.read(served, prompt, reply))
    logits = finished(sampling.read(served, prompt, reply))
    with torch.inference_mode():
        whole = served(torch.tensor([prompt + reply])).logits[0, 149:-1].float()
    assert torch.allclose(logits.rows, whole, atol=1e-3) and len(logits.rows) == 200
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) == 3


def test_a_reply_too_large_to_show_is_refused_with_the_numbers() -> None:
    with pytest.raises(ChatError, match=r"6000 reply tokens × 49152 vocabulary entries take 1.1 GiB; at most 1 GiB"):
        sampling.refuse_too_large(6000, 49152)
