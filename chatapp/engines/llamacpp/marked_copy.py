"""The copy of a GGUF file that llama.cpp's server can stream every id from: one for each content and number format, in data_dir/llamacpp.

The server (tools/server, `process_token`) holds a token back while the text so far ends inside a character, and never sends the id of a
token that it held back: of the three ids that spell 😀 only the last arrives. A token of the type CONTROL has no text, so nothing is held
back. The copy therefore marks the tokens whose bytes are not whole characters as CONTROL: same size, same weights, other token types.

Everything in the folder is looked up, made and removed under one lock, so that two apps that start at once do not harm each other. Whoever
runs a copy holds that copy's lock, shared; the system frees both locks when a process dies.
"""

import math
import os
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from chatapp.engines.llamacpp.requantize import plan, requantized
from chatapp.errors import ChatError
from chatapp.models.copies import LOCK, fcntl, locked, sources, write_sources
from chatapp.models.gguf import CONTROL, GgufFile, partial_tokens, parts
from chatapp.models.hub import no_progress
from chatapp.models.identity import file_fingerprint

if TYPE_CHECKING:
    from chatapp.tasks import Progress

FORM = "1"
"""Part of a copy's name: raise it when something else is marked."""

FICLONE = 0x40049409
"""Linux: let a file share the blocks of another until one of them is written (Btrfs, XFS, bcachefs)."""

CHUNK = 2**23
SPARE = 2**26
"""Bytes: copied at a time; left free on the disk."""


class GgufCopy:
    """A file for llama.cpp. Nobody removes it before close(). `kind` is the number format that its weights were given, '' for their own."""

    def __init__(self, path: Path, lock: int | None = None, kind: str = "") -> None:
        self.path = path
        self.kind = kind
        self._lock = lock

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def streamable(gguf: GgufFile, data_dir: Path, progress: "Progress", better: str = "") -> GgufCopy:
    """From which every id can be streamed: the file itself where all tokens are whole characters, else its copy, made once.

    A copy whose weights have the number format `better` is taken where remaking() has made one. Split models keep their other parts by
    link. Raises ChatError with both sizes when the disk is too full.
    """
    home = data_dir / "llamacpp"
    remade = remade_copy(gguf, data_dir, better)
    if not remade and not partial_tokens(gguf):
        return GgufCopy(gguf.path)
    kind = better if remade else ""
    folder = home / _folder(gguf, kind)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home, progress):
            _clean(home, folder, str(gguf.path.absolute()))
            if not _whole(folder, gguf):
                _make(folder, gguf, progress)
            write_sources(folder, {*sources(folder), str(gguf.path.absolute())})
            return GgufCopy(folder / _name(gguf.path, gguf.path), locked(folder, shared=True), kind)
    except OSError as error:
        raise ChatError(f"{gguf.path.name} could not be copied to {home}: {error}. Choose another folder with --data-dir.") from error


def remade_copy(gguf: GgufFile, data_dir: Path, better: str) -> Path | None:
    """The copy whose weights have the number format `better`, where one was made."""
    path = better and data_dir / "llamacpp" / _folder(gguf, better) / _name(gguf.path, gguf.path)
    return path if path and path.exists() else None


def remaking(gguf: GgufFile, data_dir: Path, kind: str) -> Iterator[float]:
    """Make the copy of a file (of one part) whose weights have another number format; yields the share done, goes on when asked to.

    Other apps may start meanwhile; where one of them makes the same, this yields nothing. What was begun is removed when this fails or is
    closed, and by a later start when this process was killed. Raises ChatError.
    """
    home = data_dir / "llamacpp"
    folder = home / _folder(gguf, kind)
    scratch = folder.with_name(f"{folder.name}.tmp")
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _at_work(home, scratch) as free:
            if free and not folder.exists():
                yield from _remade(gguf, kind, scratch)
                with _alone(home, no_progress):
                    scratch.rename(folder)
    except OSError as error:
        raise ChatError(f"{gguf.path.name} could not be written as {kind} to {home}: {error}.") from error


def _remade(gguf: GgufFile, kind: str, scratch: Path) -> Iterator[float]:
    target = scratch / _name(gguf.path, gguf.path)
    _check_room(plan(gguf, kind).size, gguf.path.name, target)
    yield from requantized(gguf, target, kind)
    with target.open("r+b") as new:
        _mark(new, gguf)
    write_sources(scratch, {str(gguf.path.absolute())})


@contextmanager
def _at_work(home: Path, scratch: Path) -> Iterator[bool]:
    """An empty folder that no other app removes, and that is gone afterwards; False where another app is at work in it."""
    with _alone(home, no_progress):
        scratch.mkdir(exist_ok=True)
        lock = locked(scratch, shared=False)
        free = lock is not None or fcntl is None
        for left in [path for path in scratch.iterdir() if path.name != LOCK] if free else ():
            left.unlink()
    if not free:
        yield False
        return
    try:
        yield True
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _folder(gguf: GgufFile, kind: str) -> str:
    return content(gguf) + (f"-{kind}" if kind else "")


def content(gguf: GgufFile) -> str:
    """A name that all files with this content share: the whole header, and the fingerprint of every part."""
    digest = sha256(f"{FORM} ".encode())
    with gguf.path.open("rb") as file:
        digest.update(file.read(gguf.header_bytes))
    for part in parts(gguf.path):
        digest.update(file_fingerprint(part).encode())
    return digest.hexdigest()[:16]


def _name(first: Path, part: Path) -> str:
    """Of a part in the folder. llama.cpp finds the other parts of a split model by the name of the first."""
    stem = first.name.rpartition("-00001-of-")[0] or first.stem
    return "model" + part.name[len(stem) :]


def _whole(folder: Path, gguf: GgufFile) -> bool:
    """Is the copy there, and where its links lead, too?"""
    return all((folder / _name(gguf.path, part)).exists() for part in parts(gguf.path))


def _make(folder: Path, gguf: GgufFile, progress: "Progress") -> None:
    shutil.rmtree(folder, ignore_errors=True)  # where a link led into the void
    scratch = folder.with_name(f"{folder.name}.tmp")
    scratch.mkdir()
    try:
        _copy(gguf, scratch / _name(gguf.path, gguf.path), progress)
        for part in parts(gguf.path)[1:]:
            (scratch / _name(gguf.path, part)).symlink_to(part.resolve())
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _copy(gguf: GgufFile, target: Path, progress: "Progress") -> None:
    what, size = f"Copying {gguf.path.name} for llama.cpp, once", gguf.path.stat().st_size
    progress(what, 0.0)
    with gguf.path.open("rb") as old, target.open("x+b") as new:
        if not _cloned(old, new):
            _check_room(size, gguf.path.name, target)
            while chunk := old.read(CHUNK):
                new.write(chunk)
                progress(what, old.tell() / size)
        _mark(new, gguf)


def _mark(new: BinaryIO, gguf: GgufFile) -> None:
    for token in partial_tokens(gguf):
        new.seek(gguf.types_at + 4 * token)
        new.write(struct.pack("<i", CONTROL))
    new.flush()
    os.fsync(new.fileno())  # before the rename: a power cut leaves no empty blocks under a whole file's name


def _cloned(old: BinaryIO, new: BinaryIO) -> bool:
    """Did the file system copy it in no time and no space?"""
    if fcntl is None:
        return False
    try:
        fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
    except OSError:
        return False
    return True


def _check_room(size: int, name: str, target: Path) -> None:
    free = shutil.disk_usage(target.parent).free
    if free < size + SPARE:
        raise ChatError(
            f"{name} needs {math.ceil(size / 1e6):,} MB in {target.parents[1]} for a copy, and {free // 10**6:,} MB are free. "
            "Free some space, choose another folder with --data-dir, or run it with --engine direct."
        )


def _clean(home: Path, wanted: Path, source: str) -> None:
    """Remove what killed apps left, and the copies for which no file is left, `source` counting as a file of `wanted` alone.

    A copy that another app runs stays until a later start.
    """
    for folder in [path for path in home.iterdir() if path.is_dir() and path != wanted]:
        left = {path for path in sources(folder) if path != source and Path(path).exists()}
        if left:
            write_sources(folder, left)
        elif (lock := locked(folder, shared=False)) is not None or fcntl is None:
            shutil.rmtree(folder, ignore_errors=True)
            if lock is not None:
                os.close(lock)


@contextmanager
def _alone(home: Path, progress: "Progress") -> Iterator[None]:
    """One app at a time."""
    while (lock := locked(home, shared=False)) is None and fcntl is not None:
        progress("Another app is copying a model in this data folder", None)
        time.sleep(0.2)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)
