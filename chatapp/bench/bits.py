"""`--bits MODEL FILE`: how well a model predicts a text, in bits per byte, which compare any two tokenizers."""

import json
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.train import bits, files
from chatapp.lab.train.recipe import SUFFIXES
from chatapp.models.convert import convert_gguf
from chatapp.models.hub import no_progress
from chatapp.models.sources import resolve
from chatapp.settings import Settings

WINDOW = 1024
"""Tokens at most; each is predicted with at least half of them before it, but for those at the beginning."""


def main(settings: Settings, model: str, file: str) -> int:
    """Print the numbers; the last line is JSON."""
    source = resolve(model, revision=settings.revision, data_dir=settings.data_dir)
    folder = convert_gguf(source.gguf, settings.data_dir, no_progress) if source.gguf else source.folder
    found = measured(folder, text_of(Path(file)))
    print(
        f"{found['bits_per_byte']:.4f} bits per byte: {found['tokens']:,} tokens of {found['bytes_per_token']:.2f} bytes, "
        f"{found['nats_per_token']:.4f} nats each, windows of {found['window']}"
    )
    print(json.dumps({"model": model, "file": Path(file).name, **found}))
    return 0


def text_of(path: Path) -> str:
    """Raises ChatError for what is no text."""
    if path.suffix.lower() not in SUFFIXES:
        raise ChatError(f"{path.name} must end in one of {', '.join(SUFFIXES)}.")
    return "\n".join(files.documents(path, "text"))


def measured(folder: Path, text: str) -> dict[str, float]:
    """In float32. Each token but the first, and what looks like a control token is plain text. Raises ChatError for one token."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32", trust_remote_code=False, use_safetensors=True).eval()
    ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if len(ids) < 2:
        raise ChatError(f"The text is {len(ids)} token of this model; from two on there is something to predict.")
    window = min(WINDOW, getattr(model.config, "max_position_embeddings", None) or WINDOW)
    size, total = len(text.encode()), bits.nats(model, ids, window, max(1, window // 2))
    return {
        "bits_per_byte": bits.per_byte(total, size),
        "nats_per_token": total / (len(ids) - 1),
        "tokens": len(ids),
        "bytes": size,
        "bytes_per_token": size / len(ids),
        "window": window,
    }
