"""Which words decided: measured by leaving each out, against the same by hand."""

import pytest

from chatapp.classify_cli import ended
from chatapp.lab.classify.classifier import probabilities
from chatapp.lab.classify.head import HeadClassifier
from chatapp.lab.classify.words import measured, without


def test_each_word_is_left_out_once(tiny: HeadClassifier) -> None:
    text = "hello  world, how are you"
    found = ended(measured(tiny, text, 1))
    assert [text[word["start"] : word["end"]] for word in found["words"]] == ["hello", "world,", "how", "are", "you"]
    whole, left = (probabilities(row)[1] for row in tiny.logits([text, "hello  how are you"]))
    assert found["words"][1]["probability"] == pytest.approx(whole - left, abs=1e-5)
    signs = [(word["probability"] > 0) == (word["log_odds"] > 0) for word in found["words"] if abs(word["probability"]) > 1e-6]
    assert signs and all(signs) and any(abs(word["log_odds"]) > 0.01 for word in found["words"])


def test_a_word_goes_with_the_space_behind_it() -> None:
    assert without("a b c", 2, 3) == "a c" and without("a b c", 4, 5) == "a b" and without("a b", 0, 1) == "b"


@pytest.mark.parametrize(("text", "why"), [("one", "The text is one word"), ("w " * 301, "The text has 301 words")])
def test_texts_that_cannot_be_measured_say_why(tiny: HeadClassifier, text: str, why: str) -> None:
    found = ended(measured(tiny, text, 0))
    assert found["words"] == [] and found["why_not"].startswith(why)
