"""What a classifier is taught: texts with labels, which are held out, and how it is trained. The same seed gives the same split and run."""

import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.classify import ratings
from chatapp.lab.classify.table import Table
from chatapp.tasks import Progress

SEED = 0
MOST_TRAINED, MOST_HELD_OUT = 3_200, 1_000
SHARE_HELD_OUT = 0.2
FEW = 1_000
"""Texts, below which each is read three times."""

FEWEST = 10
"""Texts of each label, below which neither training nor a held-out part says anything."""

NEUTRAL = 0.5
RULE = (
    f"A sentence is positive where its mean rating is at least {NEUTRAL}, negative where it is at most −{NEUTRAL}; the neutral ones "
    "between are left out of both parts."
)
Pair = tuple[str, int]


@dataclass(frozen=True)
class Lesson:
    """`train` and `held_out` are (text, place of its label). `base` is the folder of an encoder, '' for MiniLM of its package.

    The table of words of the encoder stays as it is (`frozen`): half of its weights, which some thousand sentences would hardly move.
    """

    name: str
    corpus: str
    rule: str
    labels: list[str]
    train: list[Pair]
    held_out: list[Pair]
    base: str = ""
    epochs: int = 1
    batch: int = 16
    learning_rate: float = 1e-4
    longest: int = 64
    frozen: bool = True
    seed: int = SEED

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Lesson":
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def of_movies(data_dir: Path, progress: Progress) -> Lesson:
    """The rated movie sentences, fetched where they are not here yet."""
    rated = ratings.sentences(ratings.archive(data_dir, progress))
    pairs = [(text, int(rating > 0)) for text, rating in rated if abs(rating) >= NEUTRAL]
    train, held_out = split(pairs)
    corpus = "rated movie sentences (Hutto & Gilbert 2014, in vaderSentiment 3.3.2, MIT)"
    return Lesson("minilm-movies", corpus, RULE, ["negative", "positive"], train, held_out)


def of_table(table: Table, name: str) -> Lesson:
    """A labelled table. Raises ChatError for one without labels, with one label only, or with too few texts of one."""
    if not table.truth:
        raise ChatError(f"{name} has no column of labels, so there is nothing to learn from it. Name one by --label-column.", status=422)
    counts = Counter(table.truth)
    few = [label for label, count in counts.items() if count < FEWEST]
    if len(counts) < 2 or few:
        found = ", ".join(f"{label} {count}" for label, count in counts.most_common(8))
        raise ChatError(f"{name} needs two labels or more with {FEWEST} texts each in {table.label_column}; it has: {found}.", status=422)
    labels = sorted(counts)
    pairs = list(zip(table.texts, map(labels.index, table.truth), strict=True))
    train, held_out = split(list(dict.fromkeys(pairs)))
    rule = f"Its labels are those of the column {table.label_column}; equal rows count once."
    called = re.sub(r"[^\w-]+", "-", Path(name).stem)[:40].strip("-") or "table"
    epochs = 3 if len(train) < FEW else 1
    return Lesson(f"minilm-{called}", f"{name}, {len(pairs):,} rows", rule, labels, train, held_out, epochs=epochs)


def split(pairs: Sequence[Pair], seed: int = SEED) -> tuple[list[Pair], list[Pair]]:
    """(to train on, held out): shuffled by the seed, a fifth held out and at most MOST_HELD_OUT, then at most MOST_TRAINED."""
    mixed = list(pairs)
    random.Random(seed).shuffle(mixed)
    held = min(MOST_HELD_OUT, max(1, int(len(mixed) * SHARE_HELD_OUT)))
    return mixed[held : held + MOST_TRAINED], mixed[:held]
