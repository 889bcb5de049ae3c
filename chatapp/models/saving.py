"""A model to a folder of one's own, from which it loads again: by save_pretrained, a GGUF by copying its files."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models import weights
from chatapp.models.alone import alone
from chatapp.models.failures import Reading
from chatapp.models.gguf import parts
from chatapp.models.memory import gigabytes, weight_bytes
from chatapp.models.tokenizer import read_tokenizer
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SPARE = 2**26
"""Bytes that stay free on the disk."""


def save_module(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", target: Path, progress: Progress) -> int:
    """One in memory, in the numbers in which it is held: configuration, safetensors, tokenizer, chat template. Returns bytes written."""

    def write(folder: Path) -> None:
        progress(f"Writing {target}", None)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    return _written(target, weight_bytes(model), write)


def save_place(place: Path, name: str, target: Path, progress: Progress) -> int:
    """One on the disk: the .gguf `place` with its parts as they are; a folder, of a chat model or an encoder, as its own class saves it."""
    if place.is_file():
        return _copied(parts(place), target, progress)
    size = weights.inspect(place).bytes_as(4)
    refuse(target, size)
    progress(f"Reading {name}", None)
    return save_module(_module(place, name), read_tokenizer(place, name), target, progress)


@alone
def _module(folder: Path, name: str) -> "PreTrainedModel":
    """In the numbers of its files. Raises ChatError for a class that transformers does not have."""
    import transformers

    with Reading(f"{name} cannot be read: "):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        kind: Any = getattr(transformers, (config.architectures or [""])[0], None)
        if not (isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)):
            raise ChatError(f"{name} cannot be saved: its config.json names no class of transformers ({config.architectures}).")
        return kind.from_pretrained(folder, config=config, dtype="auto", use_safetensors=True, trust_remote_code=False)


def _copied(files: list[Path], target: Path, progress: Progress) -> int:
    def write(folder: Path) -> None:
        for number, file in enumerate(files):
            progress(f"Copying {file.name}", number / len(files))
            shutil.copyfile(file, folder / file.name)

    return _written(target, sum(file.stat().st_size for file in files), write)


def _written(target: Path, size: int, write: Callable[[Path], None]) -> int:
    """Beside the target first, and in its place when it is whole: what fails, or is cancelled, leaves nothing."""
    refuse(target, size)
    scratch = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        scratch.mkdir(parents=True)
        write(scratch)
        found = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        os.replace(scratch, target)
        return found
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ChatError(f"The disk is full: {target} could not be written. Free some space, or name a folder elsewhere.") from error
        raise ChatError(f"{target} cannot be written: {error.strerror or error}. Name a folder that you may write to.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def refuse(target: Path, size: int) -> None:
    """Raises ChatError for a folder that holds something or is below a file, and a disk that does not hold so many bytes more."""
    try:
        if target.exists() and not target.is_dir():
            raise ChatError(f"{target} is a file. Name a new folder.", status=409)
        if target.is_dir() and (first := next(target.iterdir(), None)):
            raise ChatError(f"{target} is not empty: {first.name} is in it. Name a new folder.", status=409)
    except OSError as error:
        raise ChatError(f"{target} cannot be looked at: {error.strerror or error}. Name another folder.") from error
    refuse_full(target, size)


def refuse_full(target: Path, size: int) -> None:
    """Raises ChatError for a folder below a file, and a disk that does not hold so many bytes more."""
    try:
        place = next(parent for parent in (target, *target.absolute().parents) if parent.exists())
        if not place.is_dir():
            raise ChatError(f"{target} cannot be made: {place} is a file. Name a new folder elsewhere.", status=409)
        free = shutil.disk_usage(place).free
    except OSError as error:
        raise ChatError(f"{target} cannot be looked at: {error.strerror or error}. Name another folder.") from error
    if free < size + SPARE:
        raise ChatError(f"{target} needs {gigabytes(size + SPARE)} on the disk, and {gigabytes(free)} are free there.", status=507)
