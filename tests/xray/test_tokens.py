"""Tokens are laid over their text exactly, whatever the script; split characters share one cell."""

from types import MappingProxyType

import pytest
from transformers import AutoTokenizer

from chatapp.turn import Span, Turn
from chatapp.xray import tokens, vocabulary

HARD = {
    "emoji": "Hi 👩‍👩‍👧‍👦 🇫🇷 🫠!",
    "chinese": "你好，世界。",
    "arabic": "مرحبا بالعالم، كيف حالك؟",
    "code": 'def f(x):\n    return x**2  # café\n\t"tab"',
    "combining": "naïve e\u0301 ﷽ 𝔘 \u200b end",
    "special": "a<|im_start|>user<|endoftext|> b",
    "crlf": "a\r\n\r\n  b ",
    "nul": "x\x00y\x7f",
}


@pytest.fixture(scope="module")
def tokenizer(tiny_llama):
    return AutoTokenizer.from_pretrained(tiny_llama)


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_cells_cover_the_text_exactly_and_bytes_spell_it(tokenizer, text: str) -> None:
    view = tokens.encoded(text, tokenizer)
    rows = view["rows"]
    assert bytes.fromhex("".join(r["bytes"].replace(" ", "") for r in rows)).decode() == text
    covered = "".join(text[rows[cell[0]]["start"] : max(rows[i]["end"] for i in cell)] for cell in view["cells"])
    assert covered == text
    assert sorted(i for cell in view["cells"] for i in cell) == list(range(view["tokens"]))
    assert view["round_trip"]


def test_an_emoji_split_over_tokens_is_one_cell_of_partial_tokens(tokenizer) -> None:
    view = tokens.encoded("🫠", tokenizer)
    assert view["tokens"] > 1 and view["cells"] == [list(range(view["tokens"]))]
    assert all(r["partial"] and r["text"] == "🫠" for r in view["rows"])


def test_a_typed_special_string_and_the_special_token_look_different(tokenizer) -> None:
    special = tokens.encoded("<|im_end|>", tokenizer)["rows"]
    typed_ids = tokenizer("<|im_end|>", add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert [r["kind"] for r in special] == ["special"]
    typed = tokens.pieces("<|im_end|>", typed_ids, tokenizer)
    assert len(typed) > 1 and not any(p.special for p in typed)


def test_the_prompt_view_colours_by_role_and_marks_the_given_beginning(tokenizer) -> None:
    text = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    spans = (Span(0, 17, "template", "user", 0), Span(17, 19, "content", "user", 0), Span(19, len(text), "template", "assistant", None))
    ids = tokenizer(text + "Well", add_special_tokens=False)["input_ids"]
    given = len(tokenizer("Well", add_special_tokens=False)["input_ids"])
    turn = Turn(
        "o", "c", "hi", prompt_text=text, prompt_ids=tuple(ids), spans=spans, prefix_tokens=given, prefix_text="Well", dropped_messages=2
    )
    view = tokens.prompt_view(turn, tokenizer)
    kinds = {r["text"]: r["kind"] for r in view["rows"]}
    assert kinds["<|im_start|>"] == "special" and view["dropped_messages"] == 2
    assert "".join(r["text"] for r in view["rows"] if r["kind"] == "content") == "hi"
    assert [r["kind"] for r in view["rows"][-given:]] == ["prefill"] * given


def test_sentencepiece_tokens_are_found_in_the_text_without_their_marker() -> None:
    class Words:
        """The little of a SentencePiece tokenizer that the walk reads: ▁ for a space, <0x..> for bytes."""

        all_special_ids = (0,)
        added_tokens_decoder = MappingProxyType({})
        vocabulary = ("<s>", "▁Hello", "▁world", "<0xC3>", "<0xA9>")

        def convert_ids_to_tokens(self, i: int) -> str:
            return self.vocabulary[i]

    found = tokens.pieces("Hello worldé", [1, 2, 3, 4], Words())
    assert [(p.start, p.end, p.partial) for p in found] == [(0, 5, False), (5, 11, False), (11, 12, True), (11, 12, True)]
    assert tokens.cells(found) == [[0], [1], [2, 3]]


def test_the_vocabulary_names_its_size_and_special_tokens(tokenizer) -> None:
    view = vocabulary.vocabulary(tokenizer, sample=10)
    assert view["size"] == len(tokenizer) and len(view["sample"]) == 10
    assert view["special"]["eos_token"] == "<|im_end|>"
