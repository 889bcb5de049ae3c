"""The module tree's numbers add up, equal blocks are folded, positions are told apart."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chatapp.xray import architecture


@pytest.fixture(scope="module")
def llama(tiny_llama):
    return AutoModelForCausalLM.from_pretrained(tiny_llama, dtype=torch.float32)


@pytest.fixture(scope="module")
def gpt2(tiny_gpt2):
    return AutoModelForCausalLM.from_pretrained(tiny_gpt2, dtype=torch.float32)


def test_the_tree_counts_every_parameter_once(llama, gpt2) -> None:
    for model in (llama, gpt2):
        assert architecture.tree(model)["parameters"] == model.num_parameters()
        assert architecture.tree(model)["memory"] == 4 * model.num_parameters()


def test_equal_blocks_are_one_entry_with_their_number(llama) -> None:
    layers = next(c for c in architecture.tree(llama)["children"][0]["children"] if c["name"] == "layers")
    assert [(c["kind"], c["times"], c["last"]) for c in layers["children"]] == [("LlamaDecoderLayer", 2, "1")]


def test_the_summary_gives_heads_widths_and_kv_bytes(llama) -> None:
    s = architecture.summary(llama, architecture.positions(llama))
    assert (s["layers"], s["heads"], s["kv_heads"], s["head_dim"], s["feed_forward"]) == (2, 4, 2, 16, 128)
    assert s["kv_bytes_per_token"] == 2 * 2 * 2 * 16 * 4


def test_tied_weights_are_shown_both_ways(gpt2) -> None:
    s = architecture.summary(gpt2, architecture.positions(gpt2))
    assert s["parameters_with_ties"] - s["parameters"] == gpt2.get_input_embeddings().weight.numel()


def test_positions_are_rotary_or_a_learned_table(llama, gpt2) -> None:
    rotary, learned = architecture.positions(llama), architecture.positions(gpt2)
    assert rotary["kind"] == "rotary" and len(rotary["frequencies"]) == 8
    assert learned == {"kind": "learned", "table": "transformer.wpe", "shape": [2048, 64]}


def test_the_nearest_neighbour_of_a_copied_embedding_is_its_original(llama, tiny_llama) -> None:
    with torch.no_grad():
        llama.get_input_embeddings().weight[40] = 2 * llama.get_input_embeddings().weight[50]
    best = architecture.neighbours(llama, 50, AutoTokenizer.from_pretrained(tiny_llama), top=3)
    assert best[0]["id"] == 40 and best[0]["cosine"] == pytest.approx(1.0, abs=1e-5) and len(best) == 3
