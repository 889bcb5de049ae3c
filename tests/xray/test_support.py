"""Which views will work, read from the sources of transformers, is what its classes say when they are imported."""

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from chatapp.xray import registry
from chatapp.xray.support import RECORDS, modeling_source, support, support_gguf, why_none, why_not

FAMILIES = ("llama", "gpt2", "qwen3", "gemma2", "gemma3_text", "mistral", "phi3", "bloom", "opt", "gpt_neox", "mamba", "falcon", "qwen2")


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_source_says_is_what_the_class_does(family: str) -> None:
    config = CONFIG_MAPPING[family]
    made = MODEL_FOR_CAUSAL_LM_MAPPING[config]
    assert bool(RECORDS.search(modeling_source(family))) == made._supports_attention_backend
    assert why_none(config().to_dict()) == ""


def words(config: dict) -> dict[str, tuple[bool, str]]:
    found = support(config)
    assert [one.view for one in found] == [view.name for view in registry.views()]
    return {one.view: (one.works, one.words) for one in found}


def test_each_view_works_or_says_why_not() -> None:
    assert all(works and not said for works, said in words({"model_type": "llama", "num_attention_heads": 4}).values())
    assert words({"model_type": "bloom", "n_head": 4})["attention"][0]
    assert "eager" in words({"model_type": "bloom", "n_head": 4})["attention"][1]
    mamba = words(CONFIG_MAPPING["mamba"]().to_dict())
    assert [name for name, (works, _) in mamba.items() if not works] == ["attention", "model"]


def test_the_summary_of_the_hub_has_no_sizes_and_is_believed_in_the_rest() -> None:
    summary = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "tokenizer_config": {}}
    assert all(works for works, _ in words(summary).values())
    assert (why_not(summary), why_not({})) == ("", "")
    assert why_not({"model_type": "novel"}) == "The installed transformers does not know novel."
    assert why_not(CONFIG_MAPPING["mamba"]().to_dict()) == "Attention: It has no attention heads.; Architecture: It has no attention heads."


def test_a_gguf_file_is_looked_into_where_transformers_reads_its_architecture() -> None:
    assert all(one.works for one in support_gguf("llama"))
    assert {one.words for one in support_gguf("clip")} == {"transformers cannot read clip from a GGUF file."}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "names no family"),
        ({"model_type": "novel"}, "does not know novel."),
        ({"model_type": "novel", "auto_map": {}}, "does not know novel."),
        ({"model_type": "novel", "auto_map": {"AutoConfig": "x"}}, "Python code of its own, which is never run"),
        ({"model_type": "../../../etc/passwd"}, "does not know"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "t5 is no model that writes text by itself"),
        ({"model_type": "vit"}, "vit is no model that writes text by itself"),
        ({"model_type": ["llama"]}, "does not know"),
    ],
)
def test_what_is_no_such_model_works_in_no_view(config: dict, said: str) -> None:
    found = words(config)
    assert not any(works for works, _ in found.values()) and all(said in why for _, why in found.values())
