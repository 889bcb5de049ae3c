"""X-ray's module shares weights with the served one, equals it, and records attention as eager computes it."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BloomConfig

from chatapp.errors import ChatError
from chatapp.xray import attention, lens, module
from tests.tiny import make_tiny

FAMILIES = ("llama", "gpt2", "qwen3", "gemma2", "gemma3_text", "mistral", "phi3")
IDS = list(range(3, 27))


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    return make_tiny(request.param, tmp_path_factory.mktemp(request.param), chat_template=None)


@pytest.fixture(scope="module")
def served(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def eager(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def test_the_twin_shares_every_parameter_and_answers_alike(served) -> None:
    twin = module.twin(served)
    mine = {name: p.data_ptr() for name, p in served.named_parameters()}
    assert {name: p.data_ptr() for name, p in twin.named_parameters()} == mine
    ids = torch.tensor([IDS])
    with torch.inference_mode():
        assert torch.allclose(twin(ids).logits, served(ids).logits, atol=1e-4)


def test_making_a_twin_leaves_the_served_model_as_it_was(served) -> None:
    before = served.config._attn_implementation
    module.twin(served)
    assert served.config._attn_implementation == before


def test_recorded_attention_equals_eager(folder, served) -> None:
    layers = range(served.config.num_hidden_layers)
    got = attention.attention(module.twin(served), IDS, list(layers))
    with torch.inference_mode():
        want = eager(folder)(torch.tensor([IDS]), output_attentions=True).attentions
    assert max((got[n].float() - want[n][0]).abs().max().item() for n in layers) < 1e-3


def test_only_the_chosen_layers_are_kept(served) -> None:
    assert list(attention.attention(module.twin(served), IDS, [1])) == [1]


def test_too_many_weights_are_refused_with_the_numbers(served) -> None:
    with pytest.raises(ChatError, match=r"million weights; at most 40 million"):
        attention.attention(module.twin(served), [3] * 4000, [0, 1])


def test_a_layer_the_model_lacks_is_refused(served) -> None:
    with pytest.raises(ChatError, match="layers 0 to 1"):
        attention.cost(served, 10, [2])


def test_the_last_lens_is_the_model_itself(folder, served) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    view = lens.lens(module.twin(served), IDS, [5, 23], tokenizer)
    with torch.inference_mode():
        probabilities = served(torch.tensor([IDS])).logits[0].float().softmax(-1)
    assert len(view["layers"]) == served.config.num_hidden_layers + 1
    for row, position in zip(view["layers"][-1], (5, 23), strict=True):
        assert row["top"][0][1] == pytest.approx(float(probabilities[position].max()), abs=1e-4)
    assert view["layers"][-1][0]["next"]["p"] == pytest.approx(float(probabilities[5, IDS[6]]), abs=1e-4)
    assert view["layers"][-1][1]["next"] is None


def test_the_triangle_is_one_byte_a_weight() -> None:
    weights = torch.tensor([[[1.0, 0.0], [0.25, 0.75]]])
    assert list(attention.packed(weights)) == [255, 64, 191]


def looking(column) -> torch.Tensor:
    """One head of 12 tokens in which each looks at the token that `column` names, as far as there is one."""
    weights = torch.zeros(1, 12, 12)
    for row in range(12):
        weights[0, row, min(row, max(0, column(row)))] = 1
    return weights


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        ("first token", lambda row: 0),
        ("previous token", lambda row: row - 1),
        ("itself", lambda row: row),
        ("earlier tokens", lambda row: 1),
    ],
)
def test_a_head_is_named_after_what_it_looks_at(kind: str, column) -> None:
    (told,) = attention.head_kinds(looking(column))
    assert told["kind"] == kind and told["share"] == pytest.approx(1)


def test_a_head_that_looks_everywhere_or_has_nothing_to_look_at_is_spread_out() -> None:
    even = torch.tril(torch.ones(2, 30, 30)) / torch.arange(1, 31)[:, None]
    assert [told["kind"] for told in attention.head_kinds(even)] == ["spread out"] * 2
    assert attention.head_kinds(torch.ones(1, 2, 2))[0]["kind"] == "spread out"


def test_what_is_special_about_reading_attention_is_said(served) -> None:
    said = module.remarks(module.twin(served))
    assert said == (["scores soft-capped at 50: attention computed as eager does"] if served.config.model_type == "gemma2" else [])


def test_a_model_without_the_attention_interface_is_read_by_eager_and_says_so() -> None:
    torch.manual_seed(0)
    bloom = AutoModelForCausalLM.from_config(BloomConfig(vocab_size=100, hidden_size=32, n_layer=2, n_head=4)).eval()
    twin = module.twin(bloom)
    weights = attention.attention(twin, IDS, [0, 1])
    assert weights[1].shape == (4, len(IDS), len(IDS)) and "no interface" in module.remarks(twin)[0]
    assert torch.allclose(weights[0].float().sum(-1), torch.ones(4, len(IDS)), atol=1e-2)
