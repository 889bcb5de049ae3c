"""The GPT-2 of a recipe: made with random weights, and written as a folder that every loader of Transformers opens."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.lab.train.recipe import Recipe

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase


def new(recipe: Recipe, tokenizer: "PreTrainedTokenizerBase") -> "GPT2LMHeadModel":
    """The same weights for the same seed."""
    from transformers import GPT2Config, GPT2LMHeadModel, set_seed

    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=recipe.max_length, bos_token_id=end, eos_token_id=end, pad_token_id=end, **recipe.model
    )
    set_seed(recipe.seed)
    return GPT2LMHeadModel(config)


def parameters(recipe: Recipe, entries: int) -> dict[str, int]:
    """{all, embeddings}, counted without making the model: a matrix of words that is the head too, one of places, and blocks."""
    width, layers = recipe.model["n_embd"], recipe.model["n_layer"]
    embeddings = entries * width
    block = 12 * width * width + 13 * width
    return {"all": embeddings + recipe.max_length * width + layers * block + 2 * width, "embeddings": embeddings}


def save(model: "GPT2LMHeadModel", tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """A model folder. Raises OSError and what safetensors raises."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_whole(model: "GPT2LMHeadModel", tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """A folder that is there only when it is whole; one of an earlier try gives way."""
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        beside.mkdir(parents=True)
        save(model, tokenizer, beside)
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
