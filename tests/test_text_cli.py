"""python app.py text: the tokens and the table of the page, as JSON and in words; wrong input in one sentence."""

import json
from pathlib import Path

import pytest

from chatapp import text_cli
from chatapp.errors import ChatError

TEXT = "The capital of France is Paris."


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert text_cli.run(arguments) == 0
    return capsys.readouterr().out


def test_two_models_side_by_side(tiny_llama: Path, tiny_gpt2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = (TEXT, "--model", str(tiny_llama), "--model", str(tiny_gpt2), "--data-dir", str(tmp_path))
    answer = json.loads(said(capsys, *named, "--json"))
    assert [model["name"] for model in answer["models"]] == [tiny_llama.name, tiny_gpt2.name]
    for model in answer["models"]:
        assert "".join(model["tokens"]).replace("Ġ", " ") == TEXT and model["length"] == len(model["ids"])
        assert len(model["layers"]) == 2 and set(model["layers"][0]) == {"itself", "previous", "first", "entropy"}
    words = said(capsys, *named)
    assert all(sentence in words for sentence in answer["words"]) and "byte-level BPE" in words
    assert f"{100 * answer['models'][0]['layers'][1]['first']:.0f} %" in words and "by characters: 31 pieces" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("",), "this one has 0"),
        ((TEXT, "--model", "/nowhere"), "/nowhere was not found"),
        ((TEXT, *("--model", "a") * 3), "3 models were named"),
    ],
)
def test_wrong_input_is_a_sentence(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=words):
        text_cli.run([*arguments, "--data-dir", str(tmp_path)])
