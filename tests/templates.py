"""The public chat templates in tests/chat_templates, each with a tiny tokenizer that has the special tokens it needs."""

from functools import lru_cache
from pathlib import Path

from tests.tiny import make_tokenizer

FOLDER = Path(__file__).parent / "chat_templates"
# name → (begin, end of turn, further special tokens, other added tokens)
TOKENS: dict[str, tuple[str, str, list[str], list[str]]] = {
    "chatml": ("<|endoftext|>", "<|im_end|>", [], []),
    "qwen3": ("<|endoftext|>", "<|im_end|>", [], ["<think>", "</think>"]),
    "llama2": ("<s>", "</s>", [], []),
    "tinyllama": ("<s>", "</s>", [], []),
    "llama32": ("<|begin_of_text|>", "<|eot_id|>", ["<|start_header_id|>", "<|end_header_id|>"], []),
    "gemma2": ("<bos>", "<eos>", ["<start_of_turn>", "<end_of_turn>"], []),
    "phi3": ("<s>", "<|end|>", [], ["<|user|>", "<|assistant|>", "<|system|>"]),
}


@lru_cache
def tokenizer_of(name: str):
    """The tiny tokenizer with template `name`; 'base' has none."""
    if name == "base":
        return make_tokenizer(None)
    from transformers import AddedToken

    begin, end, special, other = TOKENS[name]
    tokenizer = make_tokenizer((FOLDER / f"{name}.jinja").read_text())
    tokenizer.add_special_tokens(
        {"bos_token": begin, "eos_token": end, "extra_special_tokens": special}, replace_extra_special_tokens=False
    )
    tokenizer.add_tokens([AddedToken(t, rstrip=name == "phi3", normalized=False, special=False) for t in other])
    return tokenizer
