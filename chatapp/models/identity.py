"""Which weights are these? A model is its name and its revision: a commit of the Hub, or a fingerprint of its files. No torch, no Hub."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal, TypeVar

from chatapp.errors import ChatError
from chatapp.models.servers import is_address
from chatapp.models.weights import MOST_HEADER, weight_files
from chatapp.turn import Turn

T = TypeVar("T")

FINGERPRINT = "sha256:"
"""How a revision begins that was computed from files."""

HEX = re.compile(r"[0-9a-f]{16,64}")
"""Of a fingerprint or a commit."""

HEAD = 2**16
BLOCK, BLOCKS = 2**14, 64
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.jinja",
)
"""What cuts text into ids and frames the messages. generation_config.json counts with config.json: it names the end of a turn."""


@dataclass(frozen=True)
class ModelId:
    """Which model: `revision` says which weights of that name. It is empty in records from before folders had a fingerprint."""

    name: str
    revision: str

    def __str__(self) -> str:
        """As a --model value that names these very weights: name@revision, with the file of a repository at the end."""
        if not self.revision:
            return self.name
        repo, colon, file = self.name.partition(":")
        return f"{repo}@{self.revision}{colon}{file}"

    def compare(self, other: "ModelId") -> Literal["same", "other", "unknown"]:
        """Are these the same weights? Unknown where one of two records of the same name does not say. A renamed folder is the same."""
        if self.name != other.name:
            return "same" if self.revision == other.revision and self.revision.startswith(FINGERPRINT) else "other"
        if not (self.revision and other.revision):
            return "unknown"
        return "same" if self.revision == other.revision else "other"


def made_by(turn: Turn) -> ModelId:
    """The model that wrote a reply."""
    return ModelId(turn.model, turn.revision)


def short(id: str) -> str:
    """org/name@revision → name; of a server's model its name there, or host:port where that is not known"""
    if is_address(id):
        address, _, model = id.partition("#")
        return model.rpartition("/")[2] or address.partition("://")[2].partition("/")[0]
    return id.partition("@")[0].rpartition("/")[2]


def brief(id: str, digits: int = 6) -> str:
    """org/name@sha256:0123456789abcdef → name@012345: enough to tell two apart, where a person looks."""
    revision = id.partition("@")[2].removeprefix(FINGERPRINT)
    return f"{short(id)}@{revision[:digits] if HEX.fullmatch(revision) else revision}" if revision else short(id)


def labels(ids: Sequence[str]) -> dict[str, str]:
    """id → what is shown of it: no more than tells it from the others."""
    return apart(ids, (short, without_revision, brief, partial(brief, digits=10), str))


def told_apart(made: Iterable[ModelId]) -> dict[ModelId, str]:
    """Model → its name where replies of several stand together: the last part of it, and more only where another one has the same."""
    return apart(set(made), (lambda id: short(id.name), lambda id: id.name, near, partial(near, digits=10), str))


def apart(items: Iterable[T], ways: Sequence[Callable[[T], str]]) -> dict[T, str]:
    """Each by the first of the ways that gives it what no other has; the last way gives what it gives."""
    items = list(items)
    shown = [Counter(map(way, items)) for way in ways]
    return {
        item: next((way(item) for way, counts in zip(ways, shown, strict=True) if counts[way(item)] == 1), ways[-1](item)) for item in items
    }


def near(id: ModelId, digits: int = 6) -> str:
    """org/name at 0123456789abcdef → name@012345"""
    revision = id.revision.removeprefix(FINGERPRINT)
    return f"{short(id.name)}@{revision[:digits] if HEX.fullmatch(revision) else revision}" if revision else short(id.name)


def without_revision(id: str) -> str:
    return at_server(id) if is_address(id) else id.partition("@")[0]


def at_server(id: str) -> str:
    """http://host:port/v1#org/name → name at host:port"""
    place = id.partition("://")[2].partition("#")[0].partition("/")[0]
    return f"{short(id)} at {place}" if "#" in id else place


def why_another(made: ModelId, loaded: ModelId) -> str:
    """Why a reply that `made` wrote is not one of `loaded`, in words; empty where it is."""
    match made.compare(loaded):
        case "same":
            return ""
        case "other":
            return f"This reply was made by {told_from(made, loaded)}; {told_from(loaded, made)} is loaded."
    return (
        f"This reply was made by {made.name}, and its record does not say by which weights of that name: "
        f"whether they are those that are loaded now ({loaded.revision or 'of no known revision'}) cannot be known."
    )


def told_from(one: ModelId, other: ModelId) -> str:
    """Its name; with its revision where the names are the same."""
    return one.name if one.name != other.name else str(one)


def foreign_id(ids: Sequence[int], vocabulary: int) -> int | None:
    """The first id that a model with so many entries cannot read; None where it can read them all."""
    if not ids or (min(ids) >= 0 and max(ids) < vocabulary):
        return None
    return next(i for i in ids if not 0 <= i < vocabulary)


def refuse_foreign_ids(turn: Turn, vocabulary: int, model: str) -> None:
    """A record may have been changed in a file since: its ids are looked up in no table that lacks them."""
    recorded = (*turn.prompt_ids, *(i for i in turn.reply_ids if i is not None))
    if (foreign := foreign_id(recorded, vocabulary)) is not None:
        raise ChatError(
            f"This reply holds token id {foreign}, outside the vocabulary of {vocabulary} of {model}: "
            "it was made by another model, or the file it came in was changed.",
            status=422,
        )


def file_fingerprint(path: Path) -> str:
    """A hash (hex) of a weights file that takes milliseconds for any size: its length, its header and 64 blocks of 16 KiB over all of it.

    A training step moves nearly every weight, so checkpoints of one run differ; files up to 1 MiB are read whole. What sampling can miss
    is a change that lies between two blocks: surely seen is one that spans a 63rd of the file, surely not a single edited weight between.
    """
    size = path.stat().st_size
    digest = sha256(f"{size} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(_header_bytes(path, file.read(8))))
        for n in range(BLOCKS):
            file.seek(n * max(0, size - BLOCK) // (BLOCKS - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def _header_bytes(path: Path, first: bytes) -> int:
    """How much to read after the first 8 bytes: safetensors say there how long their table of tensors is."""
    announced = int.from_bytes(first, "little")
    return announced if path.suffix == ".safetensors" and announced <= MOST_HEADER else HEAD


def folder_fingerprint(folder: Path) -> str:
    """A hash (hex) of a model folder: its configuration, its tokenizer, and `file_fingerprint` of each weights file.

    The folder's name and place do not count: a copy is the same model. Raises ChatError where the weights are missing.
    """
    digest = sha256()
    wanted = ("config.json", "generation_config.json", *TOKENIZER)
    for path in sorted({found for pattern in wanted for found in folder.glob(pattern)}):
        digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    for path in weight_files(folder):
        digest.update(f"{path.name} {file_fingerprint(path)} ".encode())
    return digest.hexdigest()


def revision_of(path: Path) -> str:
    """The fingerprint of a folder or file in short, as records hold it: sha256: and 16 digits. Raises ChatError where it cannot be read."""
    try:
        whole = folder_fingerprint(path) if path.is_dir() else _parts_fingerprint(path)
    except OSError as error:
        raise ChatError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    return FINGERPRINT + whole[:16]


def _parts_fingerprint(first: Path) -> str:
    """Of a file, or of all parts of a split GGUF."""
    stem, _, rest = first.name.rpartition("-00001-of-")
    parts = sorted(first.parent.glob(f"{stem}-*-of-{rest}")) if stem else [first]
    return sha256("".join(map(file_fingerprint, parts)).encode()).hexdigest() if stem else file_fingerprint(first)
