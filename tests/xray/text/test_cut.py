"""Any text through tokenizers of every kind, from their files alone: where each token stands in the text, and what it is beside."""

import json
from pathlib import Path

import pytest

from chatapp.errors import ChatError
from chatapp.settings import Settings
from chatapp.xray.text import cut
from chatapp.xray.text.which import Found, located
from tests.models.files.test_tokenizers import byte_level, unigram, with_fallback, word_piece
from tests.tiny import CORPUS

TEXT = "The capital of naïve café 😀 you don't"


def folder(made, place: Path, **config) -> Found:
    """A model's folder with this tokenizer and no weights: none are read."""
    place.mkdir()
    made.save(str(place / "tokenizer.json"))
    (place / "config.json").write_text(json.dumps({"model_type": "llama"} | config))
    return located(Settings(model=str(place), data_dir=place))


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (byte_level, "byte-level BPE", TEXT),
        (with_fallback, "BPE with byte fallback", CORPUS[0]),  # this one has no bytes to fall back to
        (unigram, "Unigram", TEXT),
        (word_piece, "WordPiece", TEXT),
    ],
)
def test_each_kind_is_named_and_its_tokens_are_laid_over_the_text(make, kind: str, text: str, tmp_path: Path) -> None:
    shown = cut.tokens([folder(make(), tmp_path / "m")], text, tmp_path)
    (model,) = shown["models"]
    assert model["kind"] == kind and model["about"]
    assert len(model["rows"]) == len(model["ids"]) == sum(len(cell) for cell in model["cells"])
    assert "".join("".join(model["words"]).split()) == "".join(text.split()), "each character stands in one cell, in its order"
    assert [row["id"] for row in model["rows"]] == model["ids"]
    json.dumps(shown, allow_nan=False)


def test_tokens_that_hold_a_part_of_a_character_share_a_cell(tmp_path: Path) -> None:
    (model,) = cut.tokens([folder(byte_level(), tmp_path / "m")], "漢", tmp_path)["models"]
    assert model["words"] == ["漢"] and len(model["cells"][0]) == len(model["ids"]) > 1
    assert " ".join(row["bytes"] for row in model["rows"]) == "漢".encode().hex(" ")
    assert all(row["partial"] for row in model["rows"])


def test_the_plain_cuts_stand_beside_two_models(tmp_path: Path) -> None:
    found = [folder(byte_level(), tmp_path / "a"), folder(word_piece(), tmp_path / "b", model_type="bert")]
    shown = cut.tokens(found, CORPUS[0], tmp_path)
    assert [(plain["kind"], plain["count"]) for plain in shown["plain"]] == [("characters", len(CORPUS[0])), ("words", 17)]
    assert [(model["name"], model["encoder"]) for model in shown["models"]] == [("a", False), ("b", True)]


def test_a_decoder_of_an_encoders_family_is_none(tmp_path: Path) -> None:
    assert not folder(word_piece(), tmp_path / "m", model_type="bert", is_decoder=True).encoder


@pytest.mark.parametrize(("text", "said"), [("", "this one has 0"), ("x" * 2001, "1 to 2,000 characters; this one has 2,001")])
def test_a_text_of_no_or_too_many_characters_is_refused_with_the_numbers(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ChatError, match=said):
        cut.tokens([folder(byte_level(), tmp_path / "m")], text, tmp_path)
