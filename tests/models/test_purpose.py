"""What a model is for, by its configuration: which writes, which classifies, which makes numbers, and what is said of each."""

import json
import struct
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.models.purpose import described, gguf_family, refuse, use_of
from chatapp.models.sources import embedded_gguf

BERT = {"model_type": "bert", "hidden_size": 384}
SST = {
    "model_type": "distilbert",
    "architectures": ["DistilBertForSequenceClassification"],
    "id2label": {"0": "NEGATIVE", "1": "POSITIVE"},
}


@pytest.mark.parametrize(
    ("config", "purpose", "words", "looked_into"),
    [
        ({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}, "chat", "", True),
        ({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}, "chat", "", True),
        ({"model_type": "llama"}, "chat", "", True),
        ({}, "chat", "", True),
        ({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"]}, "chat", "", True),
        (SST, "classifier", "It gives a text one of 2 labels: NEGATIVE, POSITIVE.", True),
        (SST | {"id2label": {"0": "x" * 3000, "1": "b"}}, "classifier", f"labels: {'x' * 40}…, b.", True),
        (SST | {"problem_type": "multi_label_classification"}, "classifier", "any of 2 labels", True),
        ({"model_type": "distilbert", "architectures": SST["architectures"]}, "classifier", "It gives texts labels", True),
        ({"model_type": "gpt2", "architectures": ["GPT2ForSequenceClassification"]}, "classifier", "It gives texts labels", False),
        (
            BERT | {"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}},
            "encoder",
            "one number on a scale",
            True,
        ),
        (BERT | {"architectures": ["BertModel"]}, "encoder", "It makes 384 numbers of each token", True),
        (BERT | {"architectures": ["BertForMaskedLM"]}, "encoder", "384 numbers", True),
        (BERT, "encoder", "384 numbers", True),
        (BERT | {"architectures": ["BertLMHeadModel"], "is_decoder": True}, "chat", "", True),
        ({"model_type": "nomic_bert", "architectures": ["NomicBertModel"]}, "other", "It is a NomicBertModel", False),
        ({"model_type": "mistral", "architectures": ["MistralModel"]}, "other", "writes no text", False),
        ({"model_type": "t5", "architectures": ["T5ForConditionalGeneration"]}, "other", "T5ForConditionalGeneration", False),
        ({"model_type": "x", "architectures": ["XForConditionalGeneration"], "is_encoder_decoder": True}, "other", "XFor", False),
        ({"model_type": ["bert"], "architectures": "BertModel", "id2label": 3}, "chat", "", True),
    ],
)
def test_what_a_configuration_is_for(config: dict, purpose: str, words: str, looked_into: bool) -> None:
    use = described(config)
    assert (use.purpose, not use.unread) == (purpose, looked_into)
    assert words in use.words and bool(words) == bool(use.words)


def test_a_folder_says_that_it_was_made_for_sentences(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(BERT | {"architectures": ["BertModel"]}))
    assert "of each token" in use_of(tmp_path).words
    (tmp_path / "modules.json").write_text("[]")
    assert "It makes 384 numbers of a sentence" in use_of(tmp_path).words
    (tmp_path / "config.json").write_text("no json")
    assert use_of(tmp_path).purpose == "chat", "loading says what is wrong"


def test_what_writes_nothing_is_refused_with_what_can_be_done_instead() -> None:
    refuse("m", described({}))
    for config, words in (
        (SST, "m is no chat model. It gives a text one of 2 labels: NEGATIVE, POSITIVE. Classify with it on the page Classify."),
        (BERT, "Look at a text through it on the page Any text."),
        ({"model_type": "vit", "architectures": ["ViTModel"]}, "It is a ViTModel, which writes no text by itself. Choose a text"),
    ):
        with pytest.raises(ChatError) as refused:
            refuse("m", described(config))
        assert words in str(refused.value)


def gguf(folder: Path, family: bytes, key: bytes = b"general.architecture") -> Path:
    """The beginning of a file that names its architecture first."""
    first = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(family)) + family
    (folder / "m.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + first)
    return folder / "m.gguf"


def test_a_gguf_file_of_an_encoder_is_one(tmp_path: Path) -> None:
    assert use_of(gguf(tmp_path, b"llama")).purpose == "chat"
    found = use_of(gguf(tmp_path, b"nomic-bert"))
    assert (found.purpose, bool(found.unread)) == ("encoder", True) and "nomic-bert" in found.words
    with pytest.raises(ChatError, match=r"m is no chat model.*this is a GGUF file"):
        refuse("m", found)
    assert use_of(gguf(tmp_path, b"bert", b"general.name")).purpose == "chat", "nothing is said of it"
    whole = gguf(tmp_path, b"bert").read_bytes()
    for length in range(len(whole) - len(b"bert")):
        (tmp_path / "m.gguf").write_bytes(whole[:length])
        assert use_of(tmp_path / "m.gguf").purpose == "chat", "a file that was cut there names nothing"
    source = embedded_gguf()
    assert source and use_of(source).purpose == "chat" and gguf_family(source) == "llama"
