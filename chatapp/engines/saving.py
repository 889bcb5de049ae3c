"""Saving what an engine serves: a model in this process as it is held, one of llama.cpp's as the file that it came from."""

from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models.saving import save_module, save_place
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from chatapp.engines.base import Engine


def save(engine: "Engine", place: Path | None, target: Path, progress: Progress) -> int:
    """`place` is where the model's file or folder lies. Returns bytes on the disk; raises ChatError, and leaves nothing then."""
    if engine.info.engine != "llamacpp":
        return save_module(engine.model, engine.tokenizer, target, progress)
    if place is None:
        raise ChatError(f"The file of {engine.info.model} is not on this machine any more.", status=404)
    return save_place(place, engine.info.model, target, progress)
