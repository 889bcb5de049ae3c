"""Which models are on this machine: embedded, in the Hub's cache, in folders; what each takes of the disk, by names and sizes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chatapp.errors import ChatError
from chatapp.models import trained
from chatapp.models.convert import NAME as CONVERSION
from chatapp.models.gguf import LATER_PART
from chatapp.models.hub_access import OURS
from chatapp.models.identity import ModelId, apart
from chatapp.models.purpose import CHAT, Use, use_of
from chatapp.models.remembered import remembered
from chatapp.models.sources import EMBEDDED_REPO, resolve
from chatapp.models.weights import weight_files
from chatapp.settings import EMBEDDED_MODEL

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo, CachedRevisionInfo

ON_DISK = ("folder", "gguf")
"""Kinds that are called by the name of a folder or file, of which there may be several."""


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine.

    name      as a --model value; label is short, for people
    kind      embedded | cache (of the Hub) | folder | gguf
    repo, revision   of the Hub, commit; '' elsewhere
    place     the folder or file
    bytes     on the disk
    changed   Unix seconds
    problem   why it cannot be loaded, in words; '' where nothing speaks against it
    use       what it is for: not every model writes
    """

    name: str
    label: str
    kind: Literal["embedded", "cache", "folder", "gguf"]
    repo: str
    revision: str
    place: Path
    bytes: int
    changed: float
    problem: str = ""
    use: Use = CHAT


def here(data_dir: Path, cache: Path | None = None, named: Iterable[str] = ()) -> list[LocalModel]:
    """Every model on this machine, each once: the embedded one, those in the Hub's cache, folders and files, each kind by name.

    `named` are --model values that the app was told, of which folders and files count.
    """
    return [*embedded(data_dir), *cached(cache), *folders(data_dir, named)]


def embedded(data_dir: Path) -> list[LocalModel]:
    """The model that came with the app, if its package is installed."""
    source = resolve(EMBEDDED_MODEL, data_dir=data_dir)
    if source.gguf is None:
        return []
    found = source.gguf.stat()
    return [
        LocalModel(EMBEDDED_MODEL, EMBEDDED_REPO, "embedded", EMBEDDED_REPO, source.revision, source.gguf, found.st_size, found.st_mtime)
    ]


def cached(cache: Path | None = None) -> list[LocalModel]:
    """What the Hub's cache holds: one for each revision, and for each GGUF file of it."""
    models = (repo for repo in cached_repos(cache) if repo.repo_type == "model")
    return [one for repo in sorted(models, key=lambda repo: repo.repo_id.lower()) for one in _of_repo(repo)]


def cached_repos(cache: Path | None = None) -> "list[CachedRepoInfo]":
    """The Hub's cache as it is on the disk, at its usual place unless another is given; nothing where there is none yet."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return list(scan_cache_dir(cache or OURS.place).repos)
    except CacheNotFound:
        return []


def _of_repo(repo: "CachedRepoInfo") -> Iterator[LocalModel]:
    latest = sorted(repo.revisions, key=lambda revision: ("main" not in revision.refs, -revision.last_modified))
    for revision in latest:
        yield from _of_revision(repo.repo_id, revision)


def _of_revision(repo: str, revision: "CachedRevisionInfo") -> Iterator[LocalModel]:
    at = "" if "main" in revision.refs else revision.commit_hash
    common = {"kind": "cache", "repo": repo, "revision": revision.commit_hash}
    quantized = sorted(file.file_path.relative_to(revision.snapshot_path).as_posix() for file in revision.files if _is_gguf(file.file_path))
    for file in quantized:
        path = revision.snapshot_path / file
        name = str(ModelId(f"{repo}:{file}", at))
        yield LocalModel(name, name, place=path, bytes=path.stat().st_size, changed=revision.last_modified, use=use_of(path), **common)
    if not quantized:
        name, place = str(ModelId(repo, at)), revision.snapshot_path
        about = {"problem": lacks(place, repo), "use": use_of(place)}
        yield LocalModel(name, name, place=place, bytes=revision.size_on_disk, changed=revision.last_modified, **about, **common)


def told_apart(found: Sequence[LocalModel]) -> dict[str, str]:
    """name → what it is called, folders of one name with where they lie: as little of it as tells them apart."""
    ways = (lambda model: model.label, lies, partial(lies, parent=None, own=None), lies_at)
    return {model.name: called for model, called in apart(found, ways).items()}


def lies(model: LocalModel, parent: int | None = 8, own: int | None = 6) -> str:
    """The label with so many letters of the names of the folder around it and of its own."""
    return f"{model.label} ({model.place.parent.name[:parent]}/{model.place.name[:own]})" if model.kind in ON_DISK else model.label


def lies_at(model: LocalModel) -> str:
    return f"{model.label} ({model.place})" if model.kind in ON_DISK else model.label


def lacks(folder: Path, called: str) -> str:
    """What a folder lacks of a model that can be loaded, by the names of its files; '' for nothing. `called` is its name for people."""
    if not (folder / "config.json").is_file():
        return "It has no config.json, so it is no whole model: perhaps its tokenizer alone was fetched."
    try:
        weight_files(folder)
    except ChatError as error:
        return str(error).replace(folder.name, called, 1)
    return ""


def folders(data_dir: Path, named: Iterable[str] = ()) -> list[LocalModel]:
    """Folders and .gguf files: the app's own, those that were loaded before from anywhere, and `named` ones."""
    return _of_places([*_own(data_dir), *remembered(data_dir), *(Path(expanduser(name)) for name in named)])


def own(data_dir: Path) -> list[LocalModel]:
    """Folders and .gguf files of the app's own: kept in data_dir/models, a file also in a folder of its own there, and trained here."""
    return _of_places(_own(data_dir))


def _own(data_dir: Path) -> list[Path]:
    saved = [path for path in sorted((data_dir / "models").glob("*/*.gguf")) if not LATER_PART.search(path.name)]
    return [*sorted((data_dir / "models").glob("*")), *saved, *trained.made_here(data_dir)]


def _of_places(paths: Iterable[Path]) -> list[LocalModel]:
    places = dict.fromkeys(path.resolve() for path in paths if _is_model(path))
    return [_of_place(place) for place in sorted(places, key=lambda place: place.name.lower())]


def _is_model(path: Path) -> bool:
    try:
        if path.is_dir():
            return (path / "config.json").is_file() and not CONVERSION.fullmatch(path.name)
        return _is_gguf(path) and path.is_file()
    except OSError:  # nobody may look into it
        return False


def _is_gguf(path: Path) -> bool:
    return path.suffix.lower() == ".gguf"


def _of_place(place: Path) -> LocalModel:
    if place.is_file():
        found = place.stat()
        return LocalModel(str(place), place.stem, "gguf", "", "", place, found.st_size, found.st_mtime, use=use_of(place))
    size = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    found = (size, place.stat().st_mtime, lacks(place, place.name), use_of(place))
    return LocalModel(str(place), trained.called(place), "folder", "", "", place, *found)
