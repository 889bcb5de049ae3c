"""A model folder that nobody vouches for: what lies in it is read through here, never beyond the folder, never without a limit.

A folder of the Hub's cache is links into its `blobs`, which belong to it; any other link that leads out is named and not followed.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.files.explained import short

MOST_FILES, DEEPEST = 1000, 3
"""Files that are listed, and folders inside one another."""

MOST_BYTES = 512 * 2**20
"""That all files of a folder together are read for."""

MOST_TEXT, MOST_TOKENIZER = 16 * 2**20, 64 * 2**20
"""Bytes of a file that are read: the index of the largest models has 9 MB, the largest tokenizer.json known here 41."""


@dataclass(frozen=True)
class Entry:
    """A file as the listing found it. `why_not`: why it is not opened."""

    name: str
    bytes: int
    why_not: str = ""


@dataclass
class Folder:
    """`root` with what was read of it; `left` bytes may still be read. A lone GGUF file is a folder of one."""

    root: Path
    only: str = ""
    left: int = MOST_BYTES
    parsed: dict[str, Any] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where a file lies. Raises ChatError for a name that leads out of the folder."""
        path = self.root / name
        if name == self.only:
            return path
        if Path(name).is_absolute() or ".." in Path(name).parts or not self._inside(path):
            raise ChatError(f"{short(name, 80)} leads out of the folder {self.root.name}, so it is not opened.", status=422)
        return path

    def has(self, name: str) -> bool:
        return not self.only and os.path.isfile(self.root / name)

    def spend(self, size: int, name: str) -> None:
        """Raises ChatError when the folder's files together would take too long to read."""
        if size > self.left:
            raise ChatError(f"{short(name, 80)} is not opened: {MOST_BYTES // 2**20} MB of this folder were read already.", status=413)
        self.left -= size

    def read(self, name: str, most: int = MOST_TEXT) -> bytes:
        """The bytes of a file. Raises ChatError for one that is too large, unreadable or outside."""
        path = self.path(name)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > most:
                    raise ChatError(f"{name} has {size:,} bytes; at most {most:,} of such a file are read.", status=413)
                self.spend(size, name)
                return file.read(most)
        except OSError as error:
            raise ChatError(f"{name} cannot be read: {error.strerror or error}.") from error

    def text(self, name: str, most: int = MOST_TEXT) -> str:
        """As UTF-8. Raises ChatError."""
        try:
            return self.read(name, most).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ChatError(f"{name} is damaged: it is no UTF-8 text ({error.reason} at byte {error.start:,}).") from error

    def json(self, name: str, kind: type = dict, most: int = MOST_TEXT) -> Any:
        """Parsed once. Raises ChatError for what is no JSON, or no object (list) where one must stand."""
        if name not in self.parsed:
            self.parsed[name] = self._parse(name, most)
        found = self.parsed[name]
        if not isinstance(found, kind):
            wanted = {dict: "an object", list: "a list"}[kind]
            raise ChatError(f"{name} is broken: it holds {type(found).__name__} where {wanted} must stand. Fetch the file again.")
        return found

    def maybe(self, name: str) -> dict[str, Any]:
        """The object in a JSON file, {} where there is none: what another file says beside, of which its own line tells the fault."""
        try:
            return self.json(name) if self.has(name) else {}
        except ChatError:
            return {}

    def entries(self) -> list[Entry]:
        """All files, those of folders inside too, by name. Raises ChatError where the folder cannot be read."""
        if self.only:
            return [Entry(self.only, (self.root / self.only).stat().st_size)]
        try:
            return sorted(self._below(self.root, 0), key=lambda entry: (entry.name.count("/"), entry.name))[: MOST_FILES + 1]
        except OSError as error:
            raise ChatError(f"{self.root} cannot be read: {error.strerror or error}.") from error

    def _below(self, place: Path, depth: int) -> list[Entry]:
        found: list[Entry] = []
        with os.scandir(place) as items:
            for item in items:
                if not item.is_dir(follow_symlinks=False):
                    found.append(self._entry(item, Path(item.path).relative_to(self.root).as_posix()))
                elif depth < DEEPEST and item.name != ".git":
                    found += self._below(Path(item.path), depth + 1)
                if len(found) > MOST_FILES:
                    break
        return found

    def _entry(self, item: os.DirEntry, name: str) -> Entry:
        if not self._inside(Path(item.path)):
            target = short(os.readlink(item.path), 80)
            return Entry(name, 0, f"It is a link to {target}, which leads out of the folder, so it is not followed.")
        if item.is_symlink() and not os.path.exists(item.path):
            return Entry(name, 0, "It is a link to a file that is not there. Fetch the model again.")
        if item.is_symlink() and os.path.isdir(item.path):
            return Entry(name, 0, "It is a link to a folder, which is not followed.")
        if not os.path.isfile(item.path):
            return Entry(name, 0, "It is a device or a pipe and no file, so it is not opened.")
        return Entry(name, item.stat().st_size)

    def _inside(self, path: Path) -> bool:
        """Does it stay in the folder, every link followed? `snapshots/<commit>` of the Hub's cache reaches its own `blobs`."""
        real, root = os.path.realpath(path), os.path.realpath(self.root)
        allowed = [root]
        if Path(root).parent.name == "snapshots":
            allowed.append(os.path.join(os.path.dirname(os.path.dirname(root)), "blobs"))
        return any(real == place or real.startswith(place + os.sep) for place in allowed)

    def _parse(self, name: str, most: int) -> Any:
        text = self.text(name, most)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:  # no JSON, numbers or brackets without an end
            raise ChatError(f"{name} is broken: it is not valid JSON ({error}). Fetch the file again.") from error


def opened(place: Path) -> Folder:
    """A folder, or the folder of a lone file. Raises ChatError where nothing is."""
    place = Path(os.path.expanduser(place))
    if place.is_file():
        return Folder(place.parent, only=place.name)
    if not place.is_dir():
        raise ChatError(f"There is no folder or file {place}. Give a model's folder, or a .gguf file.", status=404)
    return Folder(place)
