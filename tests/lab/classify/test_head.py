"""Any model with a head: the numbers of transformers itself, long texts cut with the numbers said, what has no head refused."""

import json
import shutil
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify.classifier import log_odds, probabilities, steps
from chatapp.lab.classify.head import HeadClassifier, is_classifier, read
from tests.encoders import make_classifier, make_encoder

TEXT = "The capital of France is Paris."


def test_the_steps_are_those_of_transformers(tiny: HeadClassifier, tiny_folder: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    found = steps(tiny, TEXT)
    given = AutoTokenizer.from_pretrained(tiny_folder)(TEXT, return_tensors="pt")
    logits = AutoModelForSequenceClassification.from_pretrained(tiny_folder)(**given).logits[0]
    assert found["ids"] == given["input_ids"][0].tolist() and found["tokens"][0] == "[CLS]"
    assert [row["logit"] for row in found["rows"]] == pytest.approx(logits.tolist(), abs=1e-5)
    assert [row["probability"] for row in found["rows"]] == pytest.approx(logits.softmax(-1).tolist(), abs=1e-6)
    assert found["decided"] == logits.argmax().item() and found["cut"] == ""
    assert ("id2label", "0: negative, 1: positive") in found["facts"]


def test_a_temperature_is_a_what_if_of_the_softmax_alone(tiny: HeadClassifier) -> None:
    plain, hot = steps(tiny, TEXT), steps(tiny, TEXT, 4.0)
    assert [row["logit"] for row in plain["rows"]] == [row["logit"] for row in hot["rows"]] and plain["decided"] == hot["decided"]
    share = [found["rows"][found["decided"]]["probability"] for found in (plain, hot)]
    assert 0.5 < share[1] < share[0]
    with pytest.raises(ChatError, match=r"temperature 0 is outside of 0\.1 to 10"):
        steps(tiny, TEXT, 0.0)


def test_many_texts_at_once_have_the_logits_of_each_alone(tiny: HeadClassifier) -> None:
    texts = [TEXT, "hello", "A transformer reads tokens and predicts the next one."] * 7
    alone = [tiny.logits([text])[0] for text in texts]
    for one, other in zip(tiny.logits(texts), alone, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_text_that_is_too_long_is_cut_with_the_numbers(tiny: HeadClassifier) -> None:
    text = "hello world " * 60
    found = steps(tiny, text)
    assert len(found["ids"]) <= tiny.limit == 64 and text.startswith(found["read"]) and found["tokens"][-1] == "[SEP]"
    assert found["cut"].startswith("The text is") and "at most 64 are read" in found["cut"] and f"of {len(text)} characters" in found["cut"]
    assert [row["logit"] for row in found["rows"]] == pytest.approx([row["logit"] for row in steps(tiny, found["read"])["rows"]], abs=1e-6)


def test_labels_that_are_answered_each_for_itself(tmp_path: Path) -> None:
    several = read(make_classifier(tmp_path / "several", ("a", "b", "c"), problem_type="multi_label_classification"), "several")
    found = steps(several, TEXT)
    assert several.several and ("head", "each label for itself (sigmoid)") in found["facts"]
    for row in found["rows"]:
        assert row["probability"] == pytest.approx(probabilities([row["logit"]], several=True)[0])


def test_log_odds_are_those_of_the_probability() -> None:
    from math import log

    logits = [1.5, -0.3, 0.2]
    share = probabilities(logits)[1]
    assert log_odds(logits, 1) == pytest.approx(log(share / (1 - share)))
    assert log_odds([800.0, 0.0], 0) == 800


def test_what_has_no_head_is_refused_in_a_sentence(tmp_path: Path, tiny_llama: Path) -> None:
    for folder, kind in ((make_encoder(tmp_path / "encoder"), "BertModel"), (tiny_llama, "LlamaForCausalLM")):
        assert not is_classifier(folder)
        with pytest.raises(ChatError, match=f"has no head to classify with: it is a {kind}"):
            read(folder, folder.name)


def test_a_head_that_was_never_saved_is_not_made_up(tmp_path: Path, tiny_llama: Path) -> None:
    """Its config.json names a head, its weights are a causal model's: transformers would draw the head at random."""
    shutil.copytree(tiny_llama, tmp_path / "headless")
    config = json.loads((tmp_path / "headless/config.json").read_text())
    (tmp_path / "headless/config.json").write_text(json.dumps(config | {"architectures": ["LlamaForSequenceClassification"]}))
    with pytest.raises(ChatError, match=r"headless is incomplete: 1 of its weights are in no file, first score\.weight"):
        read(tmp_path / "headless", "headless")


def test_a_head_of_one_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match="no labels, so there is nothing to classify"):
        read(make_classifier(tmp_path / "scale", ("score",)), "scale")


def test_a_folder_with_pickled_weights_is_not_opened(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "old")
    (tmp_path / "old/model.safetensors").rename(tmp_path / "old/pytorch_model.bin")
    with pytest.raises(ChatError, match=r"pytorch_model\.bin is there, but such files can run code"):
        read(tmp_path / "old", "old")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 20_001])
def test_no_text_and_one_without_an_end_are_refused(tiny: HeadClassifier, text: str) -> None:
    with pytest.raises(ChatError, match="Give a text of 1 to 20,000 characters"):
        steps(tiny, text)


def test_a_text_of_which_no_token_is_left_is_refused(tiny: HeadClassifier) -> None:
    with pytest.raises(ChatError, match="tiny-judge finds no token in this text"):
        steps(tiny, "\u200b\u00ad")
