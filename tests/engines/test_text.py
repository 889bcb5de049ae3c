"""Text that appears while a model writes: whole characters, no stop strings, nothing lost, no slower for a longer reply."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatapp.engines.text import BROKEN, PATIENCE, Detokenizer, StopStrings, TextStream, end_ids, known_texts
from tests.conftest import CHATML
from tests.tiny import make_tokenizer

FAMILY = "👨‍👩‍👧‍👦"
TEXTS = {
    "emoji family": f"A family {FAMILY}{FAMILY} and 🇫🇷🏳️‍🌈 flags 👍🏽.",
    "chinese": "你好,世界。今天天气很好。",
    "arabic": "مرحبا بالعالم، كيف حالك؟",
    "combining": "é à क्षि 각",
    "code": "def f(x):\n\treturn x ** 2\r\n\n\n  # nine\x00",
}


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(CHATML)


@pytest.fixture(scope="module")
def fallback_tokenizer():
    """As Llama 2's: words begin with ▁, and what has no token is written as single bytes <0x..>."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "</s>", *[f"<0x{b:02X}>" for b in range(256)], "▁", "▁Hello", "▁world", "lo", "."]
    raw = Tokenizer(models.BPE({p: i for i, p in enumerate(pieces)}, [], byte_fallback=True, unk_token="<unk>"))
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>", unk_token="<unk>")


def byte_ids(text: str) -> list[int]:
    return [2 + b for b in text.encode()]


def pieces_of(stream, ids) -> list[str]:
    return [stream.push(i) for i in ids]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_pieces_join_to_the_text_and_never_show_half_a_character(tokenizer, text: str) -> None:
    stream = TextStream(tokenizer)
    pieces = pieces_of(stream, tokenizer(text).input_ids)
    assert "".join(pieces) + stream.flush() == text
    assert not any(BROKEN in p for p in pieces)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_byte_fallback_pieces_join_to_the_text(fallback_tokenizer, text: str) -> None:
    ids = [fallback_tokenizer.convert_tokens_to_ids("▁Hello"), *byte_ids(text), fallback_tokenizer.convert_tokens_to_ids("▁world")]
    pieces = pieces_of(TextStream(fallback_tokenizer), ids)
    assert "".join(pieces) == f"Hello{text} world" == fallback_tokenizer.decode(ids)
    assert not any(BROKEN in p for p in pieces)


def test_the_first_word_loses_its_space_and_the_others_keep_it(fallback_tokenizer) -> None:
    hello, world = fallback_tokenizer.convert_tokens_to_ids(["▁Hello", "▁world"])
    assert pieces_of(TextStream(fallback_tokenizer), [hello, 1, world]) == ["Hello", "", " world"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text_survives(tokenizer, text: str) -> None:
    stream = TextStream(tokenizer)
    shown = "".join(pieces_of(stream, tokenizer(text, split_special_tokens=True).input_ids)) + stream.flush()
    assert shown == text.rstrip(BROKEN)  # a real U+FFFD at the very end looks like an unfinished character


@settings(max_examples=300, deadline=None)
@given(ids=st.lists(st.integers(0, 640), max_size=60))
def test_any_ids_join_to_what_decode_says_up_to_an_unfinished_end(tokenizer, ids: list[int]) -> None:
    stream = TextStream(tokenizer)
    shown = "".join(pieces_of(stream, ids)) + stream.flush()
    full = tokenizer.decode(ids, skip_special_tokens=True)
    assert full.startswith(shown)
    assert full[len(shown) :] == BROKEN * (len(full) - len(shown)) and len(full) - len(shown) <= PATIENCE


def test_only_tokens_whose_text_stands_alone_are_remembered(tokenizer, fallback_tokenizer) -> None:
    text = "Whole words and a 🦜."
    ids = tokenizer(text).input_ids
    assert "".join(pieces_of(TextStream(tokenizer), ids)) == "".join(pieces_of(TextStream(tokenizer), ids)) == text
    known = known_texts(tokenizer)
    assert any(known.values()) and "" in known.values()  # parts of words, and the bytes of the parrot
    assert known_texts(fallback_tokenizer) is None


def test_special_tokens_show_nothing_and_break_nothing(tokenizer) -> None:
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    ids = tokenizer("👍").input_ids
    assert "".join(pieces_of(TextStream(tokenizer), [end, ids[0], end, *ids[1:], end])) == "👍"


def test_a_character_begun_in_the_prompt_is_finished_in_the_reply(tokenizer) -> None:
    ids = tokenizer("Hi 𓂀!").input_ids
    for cut in range(len(ids)):
        first = "".join(pieces_of(TextStream(tokenizer), ids[:cut]))
        second = "".join(pieces_of(TextStream(tokenizer, prior=ids[:cut]), ids[cut:]))
        assert first + second == "Hi 𓂀!"


def test_endless_invalid_bytes_are_shown_and_stay_cheap(tokenizer) -> None:
    lead = tokenizer.convert_tokens_to_ids("ð")  # the byte 0xF0, which begins a character of four bytes
    characters = Detokenizer(tokenizer)
    shown = "".join(characters.push(lead) for _ in range(2000))
    assert set(shown) == {BROKEN} and len(shown) > 1900
    assert len(characters._ids) < 64


def test_a_token_costs_the_same_at_the_end_of_a_long_reply(tokenizer) -> None:
    ids = tokenizer(TEXTS["code"] + TEXTS["chinese"]).input_ids
    stream = TextStream(tokenizer, ["never", "###"])

    def seconds(rounds: int) -> float:
        begin = time.process_time()
        for _ in range(rounds):
            pieces_of(stream, ids)
        return time.process_time() - begin

    early = min(seconds(5) for _ in range(5))
    seconds(400)
    assert min(seconds(5) for _ in range(5)) < 3 * early


def test_a_stop_string_across_tokens_is_never_shown(tokenizer) -> None:
    ids = tokenizer("Paris is here.\nUser: and more").input_ids
    stream = TextStream(tokenizer, ["\nUser:"])
    shown = []
    for i in ids:
        shown.append(stream.push(i))
        if stream.stopped:
            break
    assert stream.stopped
    assert "".join(shown) == "Paris is here."
    assert stream.push(ids[0]) == stream.flush() == ""


def test_what_only_looked_like_a_stop_string_is_shown_as_soon_as_that_is_clear() -> None:
    stream = StopStrings(["###END"])
    assert [stream.feed(c) for c in "a##b###"] == ["a", "", "", "##b", "", "", ""]
    assert not stream.stopped
    assert stream.flush() == "###"


def test_the_earliest_of_several_stop_strings_wins() -> None:
    stream = StopStrings(["cd", "bcx", "d"])
    assert stream.feed("abcd") == "ab"
    assert stream.stopped


@settings(max_examples=500, deadline=None)
@given(text=st.text("ab", max_size=30), stops=st.lists(st.text("ab", min_size=1, max_size=4), min_size=1, max_size=3))
def test_stop_strings_cut_where_a_search_of_the_whole_text_would(text: str, stops: list[str]) -> None:
    stream = StopStrings(stops)
    shown = ""
    for n, character in enumerate(text):
        shown += stream.feed(character)
        assert not any(s in shown for s in stops)
        if stream.stopped:
            ends = [at + len(s) for s in stops if (at := text.find(s)) >= 0]
            assert n + 1 == min(ends)
            assert shown == text[: min(text[: n + 1].find(s) for s in stops if s in text[: n + 1])]
            return
    assert shown + stream.flush() == text


def test_end_ids_are_the_models_the_tokenizers_and_the_templates() -> None:
    from transformers import GenerationConfig

    tokenizer = make_tokenizer(CHATML)
    text_end, turn_end = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    tokenizer.eos_token = "<|endoftext|>"
    assert end_ids(tokenizer) == {text_end, turn_end}
    assert end_ids(tokenizer, GenerationConfig(eos_token_id=[7, 9])) == {text_end, turn_end, 7, 9}
    for wrong in ("x", [10**9, -1], ["7"], [None]):
        assert end_ids(tokenizer, GenerationConfig(eos_token_id=wrong)) == {text_end, turn_end}
    tokenizer.chat_template = None
    assert end_ids(tokenizer) == {text_end}
