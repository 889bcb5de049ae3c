"""Attention by layer against transformers' own output_attentions, of models that see back only, and of encoders."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, BertConfig, DistilBertConfig

from chatapp.errors import ChatError
from chatapp.xray import attention as attentions
from chatapp.xray.module import twin
from chatapp.xray.text.depth import by_layer, measured

IDS = [5, 17, 40, 8, 99, 23, 61, 77, 12]


def own(folder: Path, kind, ids: list[int]) -> tuple[torch.Tensor, ...]:
    """What transformers says, in each layer (heads, n, n)."""
    model = kind.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        return tuple(layer[0] for layer in model(torch.tensor([ids]), output_attentions=True).attentions)


def plain(weights: torch.Tensor) -> dict[str, float]:
    """The same measure written as loops."""
    heads, n, _ = weights.shape
    rows = [(h, i) for h in range(heads) for i in range(2, n)]
    row = {key: weights[key].tolist() for key in rows}
    mean = lambda of: sum(of(row[h, i], i) for h, i in rows) / len(rows)  # noqa: E731
    return {
        "itself": mean(lambda w, i: w[i]),
        "previous": mean(lambda w, i: w[i - 1]),
        "first": mean(lambda w, i: w[0]),
        "entropy": mean(lambda w, i: -sum(p * math.log2(p) for p in w if p > 0)),
    }


@pytest.fixture(params=["bert", "distilbert"])
def encoder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    small = {
        "bert": BertConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, vocab_size=200, initializer_range=0.5
        ),
        "distilbert": DistilBertConfig(dim=32, n_layers=2, n_heads=4, hidden_dim=64, vocab_size=200, initializer_range=0.5),
    }
    AutoModel.from_config(small[request.param]).save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_gpt2"])
def test_a_model_that_sees_back_is_measured_as_transformers_says(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name)
    found = by_layer(twin(AutoModelForCausalLM.from_pretrained(folder)), IDS)
    for layer, weights in zip(found, own(folder, AutoModelForCausalLM, IDS), strict=True):
        assert layer == pytest.approx(plain(weights), abs=1e-4)


def test_an_encoder_is_measured_as_transformers_says_and_behind_too(encoder: Path) -> None:
    model = AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    found = by_layer(model, IDS)
    for layer, weights in zip(found, own(encoder, AutoModel, IDS), strict=True):
        assert {name: layer[name] for name in plain(weights)} == pytest.approx(plain(weights), abs=1e-4)
        n = len(IDS)
        behind = [weights[h, i] for h in range(4) for i in range(2, n - 1)]
        assert layer["next"] == pytest.approx(
            sum(float(weights[h, i, i + 1]) for h in range(4) for i in range(2, n - 1)) / len(behind), abs=1e-4
        )
        assert layer["last"] == pytest.approx(sum(float(w[-1]) for w in behind) / len(behind), abs=1e-4)
        assert weights.triu(1).sum() > 0, "an encoder looks behind"


def test_an_encoders_attention_is_sent_whole_and_a_models_as_a_triangle(encoder: Path) -> None:
    model = AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    weights = attentions.attention(model, IDS, [1])[1]
    whole = attentions.packed(weights, False)
    assert len(whole) == 4 * 81 and len(attentions.packed(weights)) == 4 * 45
    assert whole[8] == round(float(weights[0, 0, 8].float()) * 255)


def test_heads_of_an_encoder_are_told_apart_by_what_stands_behind_too() -> None:
    n = 8
    looks = torch.zeros(4, n, n)
    for row in range(n):
        looks[0, row, min(row + 1, n - 1)] = looks[1, row, n - 1] = looks[2, row, max(row - 1, 0)] = 1
    looks[3] = 1 / n
    assert [head["kind"] for head in attentions.head_kinds(looks, causal=False)] == [
        "next token",
        "last token",
        "previous token",
        "spread out",
    ]


def test_two_tokens_are_refused_and_entropy_is_in_bits(tiny_llama: Path) -> None:
    with pytest.raises(ChatError, match=r"At least 3 tokens .* this text has 2"):
        by_layer(twin(AutoModelForCausalLM.from_pretrained(tiny_llama)), IDS[:2])
    assert measured(torch.full((2, 4, 4), 0.25), one_way=False)["entropy"] == pytest.approx(2.0)
