"""The tokenizer that a GGUF file describes, in the form of transformers: there a GGUF stands under llama.cpp's names."""

from typing import TYPE_CHECKING, Any

from chatapp.models.failures import Reading
from chatapp.models.gguf import CONTROL, USER_DEFINED, GgufFile, byte_alphabet, merges

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerBase

DIGITS_FIRST = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")
"""Values of tokenizer.ggml.pre whose vocabularies were trained on single digits (llama.cpp: llama-vocab.cpp, regex \\p{N} first).
Transformers 5.23 splits them as GPT-2 does, which gives other ids for '  12' and for '½'."""

SPECIAL = {"bos_token": "bos_token_id", "eos_token": "eos_token_id", "unk_token": "unknown_token_id", "pad_token": "padding_token_id"}


def build_tokenizer(header: GgufFile) -> "PreTrainedTokenizerBase":
    """Raises ChatError where it cannot be read."""
    with Reading(f"The tokenizer of {header.path.name} cannot be read: "):
        tokenizer = _digits_first(header) if _has_digits_first(header) else _of_transformers(header)
    template = header.values.get("tokenizer.chat_template")
    tokenizer.chat_template = tokenizer.chat_template or (template if isinstance(template, str) else None)
    return tokenizer


def _has_digits_first(header: GgufFile) -> bool:
    values = header.values
    return values.get("tokenizer.ggml.model") == "gpt2" and values.get("tokenizer.ggml.pre") in DIGITS_FIRST


def _of_transformers(header: GgufFile) -> "PreTrainedTokenizerBase":
    """It knows every kind, and imports PyTorch for it: seconds."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(str(header.path.parent), gguf_file=header.path.name)


def _digits_first(header: GgufFile) -> "PreTrainedTokenizerBase":
    """Byte-level BPE with single digits, put together here as `_of_transformers` would but for the digits."""
    from transformers import PreTrainedTokenizerFast

    ids = {name: header.values.get(f"tokenizer.ggml.{key}") for name, key in SPECIAL.items()}
    named: dict[str, Any] = {name: header.tokens[id].decode() for name, id in ids.items() if id is not None}
    flags = {flag: header.values[f"tokenizer.ggml.{flag}"] for flag in ("add_bos_token", "add_eos_token") if _says(header, flag)}
    return PreTrainedTokenizerFast(tokenizer_object=_byte_level(header), **named, **flags)


def _says(header: GgufFile, flag: str) -> bool:
    return f"tokenizer.ggml.{flag}" in header.values


def _byte_level(header: GgufFile) -> "Tokenizer":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {token.decode(): id for id, token in enumerate(header.tokens)}
    pairs = [tuple(merge.split(" ")) for merge in merges(header)]
    made = Tokenizer(models.BPE(vocabulary, pairs, continuing_subword_prefix="", end_of_word_suffix=""))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(_added(header, CONTROL))
    made.add_tokens(_added(header, USER_DEFINED))
    return made


def _added(header: GgufFile, kind: int) -> "list[AddedToken]":
    """Tokens that are never cut into pieces. A "control" token in other letters than GPT-2's for bytes is a mistake in the file."""
    from tokenizers import AddedToken

    letters = byte_alphabet().keys()
    texts = [token.decode() for token, its in zip(header.tokens, header.types, strict=True) if its == kind]
    return [AddedToken(text, normalized=False, special=kind == CONTROL) for text in texts if kind != CONTROL or set(text) <= letters]
