"""The tokenizer that is put together from a GGUF's vocabulary: the same as transformers'."""

import json
from pathlib import Path

from tokenizers import pre_tokenizers

from chatapp.models.gguf import merges, read_gguf
from chatapp.models.gguf_tokenizer import _of_transformers, build_tokenizer


def test_it_is_that_of_transformers_but_for_the_digits(smol_gguf: Path) -> None:
    ours, theirs = build_tokenizer(read_gguf(smol_gguf)), _of_transformers(read_gguf(smol_gguf))
    theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    assert json.loads(ours.backend_tokenizer.to_str()) == json.loads(theirs.backend_tokenizer.to_str())
    assert ours.special_tokens_map == theirs.special_tokens_map
    assert "<|im_start|>" in ours.chat_template


def test_a_file_without_merges_has_none(smol_gguf: Path) -> None:
    header = read_gguf(smol_gguf)
    assert merges(header)[:2] == ["Ġ t", "Ġ a"]
    header.merges_at = 0
    assert merges(header) == []
