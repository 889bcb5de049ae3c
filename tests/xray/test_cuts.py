"""The plain cuts add up to the text, and the kind of a tokenizer is named as its file names it."""

import pytest
from transformers import PreTrainedTokenizerFast

from chatapp.xray import cuts
from tests.models.files.test_tokenizers import byte_level, unigram, with_fallback, word_piece, words


def test_characters_are_the_text_and_words_leave_only_spaces_out() -> None:
    text = "Héllo, wörld 3.14!\n"
    by_character, by_word = cuts.plain(text)
    assert "".join(by_character["pieces"]) == text and by_character["count"] == len(text)
    assert by_word["pieces"] == ["Héllo", ",", "wörld", "3", ".", "14", "!"] and by_word["distinct"] == 7


def test_a_long_text_is_counted_whole_and_shown_in_part() -> None:
    by_character, _ = cuts.plain("ab" * 1000)
    assert (by_character["count"], by_character["distinct"], len(by_character["pieces"])) == (2000, 2, cuts.SHOWN)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (byte_level, "byte-level BPE"),
        (with_fallback, "BPE with byte fallback"),
        (unigram, "Unigram"),
        (word_piece, "WordPiece"),
        (words, "WordLevel"),
    ],
)
def test_the_kind_is_named(make, name: str) -> None:
    found = cuts.kind(PreTrainedTokenizerFast(tokenizer_object=make()))
    assert found["name"] == name and found["words"]


def test_a_tokenizer_of_another_library_has_no_kind_here() -> None:
    assert cuts.kind(object()) == {"name": "", "words": ""}
