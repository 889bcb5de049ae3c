"""A tokenizer's vocabulary: its size, special tokens, a sample, and a search in it."""

from typing import TYPE_CHECKING, Any

from chatapp.xray.tokens import SENTENCEPIECE_SPACE, byte_alphabet, token_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def vocabulary(tokenizer: "PreTrainedTokenizerBase", sample: int = 40) -> dict[str, Any]:
    """Size, special tokens, and an evenly spaced sample of the vocabulary."""
    size = len(tokenizer)
    step = max(1, size // sample)
    return {
        "kind": type(tokenizer).__name__,
        "size": size,
        "special": {name: value for name, value in tokenizer.special_tokens_map.items() if isinstance(value, str)},
        "added": {str(i): token.content for i, token in sorted(tokenizer.added_tokens_decoder.items())},
        "sample": [entry(tokenizer, i) for i in range(0, size, step)][:sample],
    }


def entry(tokenizer: "PreTrainedTokenizerBase", token_id: int) -> dict[str, Any]:
    """One vocabulary entry: id, its spelling, its bytes, and those as text where they are whole characters."""
    raw = token_bytes(tokenizer, token_id)
    return {
        "id": token_id,
        "token": tokenizer.convert_ids_to_tokens(token_id),
        "bytes": raw.hex(" "),
        "text": raw.decode("utf-8", "replace"),
    }


def search(tokenizer: "PreTrainedTokenizerBase", query: str, most: int = 60) -> dict[str, Any]:
    """Entries whose text holds `query`, shortest first, with the number of all found; a number also finds the entry with that id."""
    spellings = {query, query.replace(" ", SENTENCEPIECE_SPACE), "".join(byte_spelling()[b] for b in query.encode())}
    found = [(len(token), i) for token, i in tokenizer.get_vocab().items() if any(spelling in token for spelling in spellings)]
    ids = [i for _, i in sorted(found)]
    if query.isdecimal() and int(query) < len(tokenizer):
        ids = [int(query), *(i for i in ids if i != int(query))]
    return {"query": query, "found": len(ids), "entries": [entry(tokenizer, i) for i in ids[:most]]}


def byte_spelling() -> dict[int, str]:
    """byte → its stand-in character in a byte-level vocabulary."""
    return {byte: character for character, byte in byte_alphabet().items()}
