"""Before the first step: corpus → tokenizer → rows, and what is known of them without training. Done once, and kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chatapp.lab.train import corpus, data, network, tokenizing
from chatapp.lab.train.baselines import baselines
from chatapp.lab.train.data import Rows
from chatapp.lab.train.recipe import Recipe
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Prepared:
    """What a run learns from.

    validation, test  ids in a row, documents joined by the token that ends one
    facts             what run.json says of it: corpus, tokenizer, parameters, baselines, rows, look, notes
    """

    tokenizer: "PreTrainedTokenizerBase"
    rows: Rows
    validation: np.ndarray
    test: np.ndarray
    facts: dict[str, Any]

    def bytes_of(self, split: str) -> int:
        return self.facts["corpus"][split]["bytes"]

    @property
    def bytes_per_token(self) -> float:
        return self.facts["tokenizer"]["bytes_per_token"]


def prepared(recipe: Recipe, tell: Progress) -> Prepared:
    """Raises ChatError for what is no corpus, and for a tokenizer that cannot be had."""
    tell(f"Reading the corpus {' '.join(Path(one).name for one in recipe.corpus)}", None)
    texts = corpus.read(recipe)
    tell("Making the tokenizer", None)
    tokenizer, kind, note = tokenizing.made(recipe.tokenizer, texts.train)
    end, splits = tokenizer.eos_token_id, {}
    for name, documents in texts.splits.items():
        ids = data.encoded(tokenizer, documents, tell, f"Encoding the {name} text")
        splits[name] = data.joined(ids, end)
    rows = data.blocks(splits["train"], recipe.max_length) if recipe.packed else _padded(recipe, tokenizer, texts.train, tell)
    facts = _facts(recipe, texts, tokenizer, kind, splits)
    facts["rows"] = _compared(recipe, rows, len(splits["train"]))
    facts["notes"] = [note] if note else []
    return Prepared(tokenizer, rows, splits["validation"], splits["test"], facts)


def keep(folder: Path, made: Prepared) -> None:
    """Into the run's folder: its tokenizer, and the ids."""
    made.tokenizer.save_pretrained(folder)
    data.keep(folder, ids=made.rows.ids, lengths=made.rows.lengths, validation=made.validation, test=made.test)


def kept(folder: Path, facts: dict[str, Any]) -> Prepared | None:
    """What an earlier start of the run read; None where it never came so far."""
    if not (found := data.kept(folder)):
        return None
    return Prepared(tokenizing.from_folder(folder), Rows(found["ids"], found.get("lengths")), found["validation"], found["test"], facts)


def _padded(recipe: Recipe, tokenizer: "PreTrainedTokenizerBase", documents: list[str], tell: Progress) -> Rows:
    lines = data.encoded(tokenizer, data.lines_of(documents), tell, "Encoding the lines")
    return data.padded(lines, recipe.max_length, tokenizer.eos_token_id)


def _facts(recipe: Recipe, texts: corpus.Corpus, tokenizer: Any, kind: str, splits: dict[str, np.ndarray]) -> dict[str, Any]:
    statistics = texts.statistics()
    for name, ids in splits.items():
        statistics[name]["tokens"] = len(ids)
    size = statistics["validation"]["bytes"]
    per_token = size / len(splits["validation"])
    return {
        "corpus": {"name": texts.name, **statistics},
        "tokenizer": {"kind": kind, **tokenizing.cost(len(tokenizer), recipe.model["n_embd"], per_token)},
        "parameters": network.parameters(recipe, len(tokenizer))["all"],
        "baselines": baselines(splits["train"], splits["validation"], len(tokenizer), size),
        "look": tokenizing.look(tokenizer, texts.train[0]),
    }


def _compared(recipe: Recipe, rows: Rows, tokens: int) -> dict[str, Any]:
    """Padded rows beside packed blocks: the same text takes so many rows of either kind."""
    packed = max(1, tokens // recipe.max_length)
    lines = len(rows) if rows.lengths is not None else None
    return {
        "packed": recipe.packed,
        "count": len(rows),
        "length": recipe.max_length,
        "padding": round(1 - rows.tokens / rows.ids.size, 4),
        "packed_count": packed,
        **({"times_the_work": round(lines / packed, 2)} if lines else {}),
    }
