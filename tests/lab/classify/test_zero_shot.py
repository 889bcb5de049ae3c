"""Zero-shot: log p of each label behind the prompt, against a plain forward over each alone; calibration; wrong labels and prompts."""

from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.lab.classify.classifier import steps
from chatapp.lab.classify.zero_shot import EMPTY, PROMPT, ZeroShot, zero_shot
from chatapp.settings import Settings
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.text.models import read_alone
from chatapp.xray.text.which import located

LABELS = ("fine", "hello world")
TEXT = "The capital of France is Paris."


@pytest.fixture(scope="module")
def writer(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> InspectedModel:
    settings = Settings(model=str(tiny_llama), data_dir=tmp_path_factory.mktemp("writer"))
    return read_alone(located(settings), settings, lambda words, share: None)


@pytest.fixture(scope="module")
def judge(writer: InspectedModel) -> ZeroShot:
    return zero_shot(writer, LABELS, PROMPT)


def alone(writer: InspectedModel, text: str, label: str) -> float:
    """log p of a label behind the prompt, token after token, without padding."""
    import torch

    prompt = writer.tokenizer(PROMPT.replace("{text}", text))["input_ids"]
    end = writer.tokenizer(f" {label}", add_special_tokens=False)["input_ids"]
    logits = writer.model(torch.tensor([[*prompt, *end]])).logits[0].log_softmax(-1)
    return sum(logits[len(prompt) - 1 + n, token].item() for n, token in enumerate(end))


def test_a_logit_is_the_likelihood_of_the_label_less_that_without_content(writer: InspectedModel, judge: ZeroShot) -> None:
    found = steps(judge, TEXT)
    for row, parts, label in zip(found["rows"], found["beside"], LABELS, strict=True):
        given, free = alone(writer, TEXT, label), alone(writer, EMPTY, label)
        assert list(parts.values()) == pytest.approx([given, free], abs=1e-3) and given != pytest.approx(free, abs=1e-2)
        assert row["logit"] == pytest.approx(given - free, abs=1e-3)
    assert found["ids"] == writer.tokenizer(PROMPT.replace("{text}", TEXT))["input_ids"]


def test_a_text_without_content_is_split_evenly(judge: ZeroShot) -> None:
    assert [row["probability"] for row in steps(judge, EMPTY)["rows"]] == pytest.approx([0.5, 0.5])


def test_a_long_text_is_cut_so_that_prompt_and_labels_fit(judge: ZeroShot) -> None:
    text = "hello world " * 1500
    cut = judge.cut(text)
    assert "are read" in cut.words and len(cut.ids) <= 1024 and text.startswith(cut.read) and len(cut.ids) > 900


@pytest.mark.parametrize(
    ("labels", "prompt", "words"),
    [
        (("one",), PROMPT, "Give 2 to 20 different labels; these are 1: one"),
        (("a", " a"), PROMPT, "different labels"),
        (("a", ""), PROMPT, "A label has 1 to 60 characters; '' has 0"),
        (("a", "b" * 61), PROMPT, "has 61"),
        (("a", "b"), "Sentiment:", "The prompt needs {text} once"),
    ],
)
def test_wrong_labels_and_prompts_are_sentences(writer: InspectedModel, labels: tuple[str, ...], prompt: str, words: str) -> None:
    with pytest.raises(ChatError) as error:
        zero_shot(writer, labels, prompt)
    assert words in str(error.value)
