"""A GGUF file → a Transformers folder (safetensors, tokenizer.json, chat template), once, in the data folder.

Transformers needs 10-20 s to read the weights of a 93 MB GGUF, and 1 s to load the folder made here. The tokenizer alone takes
half a second; llama.cpp needs no more than that. A folder is written under another name and renamed when it is whole.

The files that a folder was made from are noted in it. When the next one is made, those go of which no such file is left as it was and
that no app uses. Folders that note none (a person's own models, conversions of older versions that nobody used since) stay.
"""

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.alone import alone
from chatapp.models.copies import SOURCES, fcntl, locked, sources, write_sources
from chatapp.models.failures import Reading
from chatapp.models.gguf import read_gguf
from chatapp.models.gguf_tokenizer import build_tokenizer
from chatapp.models.memory import gigabytes
from chatapp.tasks import Progress

log = logging.getLogger("chatapp")

FORM = "2"
"""Part of the cache key: raise it when what is written here changes."""

STALE = 3600.0
"""Seconds after which a half-written folder belongs to a process that died."""

NAME = re.compile(r"(.+-[0-9a-f]{12})(-tokenizer)?")
"""Of a folder that is made here. data_dir/models is also where a person's own models lie."""

_in_use: dict[Path, int] = {}
"""Folders that this process was given, with the open files that hold their locks until it ends."""


def convert_gguf(gguf: Path, data_dir: Path, progress: Progress) -> Path:
    """The folder for Transformers, made on first use. float16 on disk: finer than any quantized type it comes from."""
    home = data_dir / "models" / key(gguf)
    if _taken(home, "model.safetensors", gguf):
        return home
    header = read_gguf(gguf)
    with _new_folder(home, gguf, 2 * header.parameters) as folder:
        progress(f"Converting {gguf.name}: tokenizer", 0.0)
        build_tokenizer(header).save_pretrained(folder)
        _convert_weights(gguf, folder, progress)
    _taken(home, "model.safetensors", gguf)
    return home


def is_converted(gguf: Path, data_dir: Path) -> bool:
    """Is the folder for Transformers there?"""
    return (data_dir / "models" / key(gguf) / "model.safetensors").is_file()


def convert_tokenizer(gguf: Path, data_dir: Path, progress: Progress) -> Path:
    """A folder with the tokenizer of a GGUF: the converted model's if there is one, or one of its own, made in half a second."""
    whole = data_dir / "models" / key(gguf)
    home = whole.with_name(f"{whole.name}-tokenizer")
    for folder in (whole, home):
        if _taken(folder, "tokenizer.json", gguf):
            return folder
    progress(f"Reading the tokenizer of {gguf.name}", None)
    header = read_gguf(gguf)
    with _new_folder(home, gguf, 0) as folder:
        build_tokenizer(header).save_pretrained(folder)
    _taken(home, "tokenizer.json", gguf)
    return home


def key(gguf: Path) -> str:
    """A folder name that changes with the file's content: its name, and a hash of its length, first megabyte and last 64 KB."""
    size = gguf.stat().st_size
    digest = hashlib.sha256(f"{FORM} {size} ".encode())
    with gguf.open("rb") as file:
        digest.update(file.read(1 << 20))
        file.seek(max(0, size - (1 << 16)))
        digest.update(file.read())
    return f"{gguf.stem}-{digest.hexdigest()[:12]}"


@alone
def _convert_weights(gguf: Path, folder: Path, progress: Progress) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    progress(f"Converting {gguf.name}, once", None)
    cure = " Use --engine llamacpp, which runs the file as it is."
    with Reading(f"{gguf.name} cannot be converted for Transformers: ", cure), progress_bars_to(f"Converting {gguf.name}, once", progress):
        model = AutoModelForCausalLM.from_pretrained(
            str(gguf.parent), gguf_file=gguf.name, dtype=torch.float16, quantization_config=GgufConfig(dequantize=True)
        )
    progress(f"Writing {gguf.stem}", 0.98)
    model.save_pretrained(folder)


@contextmanager
def progress_bars_to(what: str, progress: Progress, sizes: Mapping[str, int] = MappingProxyType({})) -> Iterator[None]:
    """Send the progress bars that transformers draws meanwhile to `progress` (several bars follow each other; each runs 0..1).

    The share is one of bytes: `sizes` are those of tensors by name, where what the bar counts does not know its own.
    """
    from transformers.utils import logging

    def hook(factory: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        items = args[0] if args else options.get("iterable")
        return _Bar(items, options.get("total"), lambda share: progress(what, share), sizes)

    previous = logging.set_tqdm_hook(hook)
    try:
        yield
    finally:
        logging.set_tqdm_hook(previous)


class _Bar:
    """What transformers uses of a tqdm bar."""

    def __init__(self, items: Any, total: float | None, tell: Any, sizes: Mapping[str, int]) -> None:
        self.items, self.tell, self.n, self.sizes = items, tell, 0, sizes
        self.total = total if total is not None else (len(items) if hasattr(items, "__len__") else None)

    def __iter__(self) -> Iterator[Any]:
        """Each is done when the next one is asked for."""
        items = self.items if self.total is None else list(self.items)
        weights = [self._bytes(item) for item in items] if self.total is not None else None
        if weights and all(weights):
            self.total = sum(weights)
        else:
            weights = None
        for n, item in enumerate(items):
            self.update(0)
            yield item
            self.update(weights[n] if weights else 1)

    def _bytes(self, item: Any) -> int:
        """Of a tensor of a GGUF file, or of (name, …); 0 where that is not known."""
        return int(getattr(item, "n_bytes", 0)) or (self.sizes.get(item[0], 0) if isinstance(item, tuple) else 0)

    def update(self, n: float | None = 1) -> None:
        self.n += n or 0
        self.tell(min(1.0, self.n / self.total) if self.total else None)

    def set_postfix(self, *args: Any, **options: Any) -> None: ...

    set_description = set_postfix_str = refresh = set_postfix

    def close(self) -> None: ...

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *error: Any) -> None: ...


@contextmanager
def _new_folder(home: Path, gguf: Path, needed: int) -> Iterator[Path]:
    """A temporary folder that becomes `home` when the block ends well, and vanishes when it does not."""
    folder = home.with_name(f".{home.name}.{os.getpid()}.{time.time_ns()}")
    try:
        folder.mkdir(parents=True)
        _sweep(home)
        _remove_orphans(home)
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise ChatError(
                f"{home.name} needs {gigabytes(needed)} on disk and {gigabytes(free)} are free in {home.parent}. Free some space."
            )
        yield folder
        write_sources(folder, [str(gguf.absolute())])
        _settle(folder, home)
    except OSError as error:
        raise ChatError(
            f"{home.parent} cannot be written: {error.strerror or error}. Free some space, or choose another --data-dir."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _settle(folder: Path, home: Path) -> None:
    try:
        folder.rename(home)
    except OSError:
        if not (home / "tokenizer.json").is_file():  # else another process was first, and its folder is as good
            raise


def _taken(home: Path, proof: str, gguf: Path) -> bool:
    """Is it there with the file `proof`? Then it is kept for this process, and `gguf` is noted as one of its sources."""
    if not (home / proof).is_file():
        return False
    try:
        if home not in _in_use and (lock := locked(home, shared=True)) is not None:
            _in_use[home] = lock
        if (path := str(gguf.absolute())) not in (known := sources(home)):
            write_sources(home, [*known, path])
    except OSError as error:  # a disk for reading only: from there nothing is removed either
        log.info("%s could not be marked as used: %s", home, error)
    return (home / proof).is_file()  # it may have been removed between


def _remove_orphans(home: Path) -> None:
    """Remove conversions whose files are gone or hold something else now. One that an app uses stays until a later conversion."""
    for folder in [path.parent for path in home.parent.glob(f"*/{SOURCES}")]:
        named = NAME.fullmatch(folder.name)
        if named is None or not (paths := sources(folder)) or any(_is_source(Path(path), named[1]) for path in paths):
            continue
        if (lock := locked(folder, shared=False)) is not None or fcntl is None:
            gone = folder.with_name(f".{folder.name}.{os.getpid()}.{time.time_ns()}")
            with suppress(OSError):  # Windows, where another app has it open
                folder.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _is_source(gguf: Path, made: str) -> bool:
    """Is this file still what the folder `made` was made from? One that cannot be read now may be."""
    try:
        return gguf.is_file() and key(gguf) == made
    except OSError:
        return True


def _sweep(home: Path) -> None:
    """Remove what a killed conversion of the same file left behind."""
    for old in home.parent.glob(f".{home.name}.*"):
        if time.time() - old.stat().st_mtime > STALE:
            shutil.rmtree(old, ignore_errors=True)
