"""Texts → what a step reads: blocks cut from the joined text, or a padded row for each line. Kept in the run's folder, so that a resumed
run reads the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from chatapp.errors import ChatError
from chatapp.lab.train import tokenizing
from chatapp.tasks import Progress

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Labels that count in no loss."""

AT_ONCE = 500_000
"""Characters that are encoded between two words of progress."""


@dataclass(frozen=True)
class Rows:
    """Blocks or padded rows, as a Trainer reads a dataset.

    ids      (rows, length) of token ids
    lengths  (rows,) how many of them are no padding; None for blocks, which have none
    """

    ids: np.ndarray
    lengths: np.ndarray | None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self.ids[index], "length": self.ids.shape[1] if self.lengths is None else int(self.lengths[index])}

    @property
    def tokens(self) -> int:
        """That are no padding."""
        return self.ids.size if self.lengths is None else int(self.lengths.sum())


def encoded(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], tell: Progress, words: str) -> list[np.ndarray]:
    """The ids of each text."""
    found: list[np.ndarray] = []
    for group in _groups(texts):
        tell(words, len(found) / max(1, len(texts)))
        found += [np.asarray(ids, np.int32) for ids in tokenizing.ids(tokenizer, group)]
    return found


def joined(texts: Sequence[np.ndarray], end: int) -> np.ndarray:
    """All ids in a row, each text followed by the token that ends one."""
    return np.concatenate([part for ids in texts for part in (ids, np.asarray([end], np.int32))])


def blocks(ids: np.ndarray, length: int) -> Rows:
    """What is left at the end and fills no block is left out. Raises ChatError where there is no block."""
    count = len(ids) // length
    if not count:
        raise ChatError(
            f"The corpus has {len(ids):,} tokens to train on, not one block of {length}. Give more text, or a smaller max_length."
        )
    return Rows(ids[: count * length].reshape(count, length), None)


def padded(lines: Sequence[np.ndarray], length: int, end: int) -> Rows:
    """A row for each line, cut at `length`; a shorter one ends with the token that ends a text, and is filled up with it: pad = eos."""
    ids = np.full((len(lines), length), end, np.int32)
    lengths = np.empty(len(lines), np.int32)
    for row, line in enumerate(lines):
        cut = line[:length]
        ids[row, : len(cut)] = cut
        lengths[row] = min(len(cut) + 1, length)
    return Rows(ids, lengths)


def lines_of(documents: Sequence[str]) -> list[str]:
    """Lines that are not empty, as the tutorial takes WikiText's."""
    return [line for text in documents for line in text.split("\n") if line.strip()]


def batch(rows: Sequence[dict[str, Any]]) -> "dict[str, torch.Tensor]":
    """Data collator. Labels are IGNORED where padding stands, and at the first token, which nothing predicts."""
    import torch

    ids = torch.from_numpy(np.stack([row["input_ids"] for row in rows]).astype(np.int64))
    labels = ids.clone()
    labels[:, 0] = IGNORED
    lengths = torch.tensor([row["length"] for row in rows])
    if bool((lengths == ids.shape[1]).all()):
        return {"input_ids": ids, "labels": labels}
    real = torch.arange(ids.shape[1])[None] < lengths[:, None]
    return {"input_ids": ids, "labels": labels.masked_fill(~real, IGNORED), "attention_mask": real.long()}


def keep(folder: Path, **arrays: np.ndarray | None) -> None:
    """Into the run's folder, whole or not at all."""
    beside = folder / "tokens.new.npz"
    np.savez(beside, **{name: array for name, array in arrays.items() if array is not None})
    beside.replace(folder / "tokens.npz")


def kept(folder: Path) -> dict[str, np.ndarray]:
    """What `keep` wrote; nothing where it never did."""
    if not (folder / "tokens.npz").is_file():
        return {}
    with np.load(folder / "tokens.npz", allow_pickle=False) as found:
        return dict(found)


def _groups(texts: Sequence[str]) -> Iterator[list[str]]:
    group: list[str] = []
    for text in texts:
        group.append(text)
        if sum(map(len, group)) > AT_ONCE or len(group) >= 2000:
            yield group
            group = []
    if group:
        yield group
