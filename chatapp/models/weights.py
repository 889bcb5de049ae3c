"""Looking at a model folder before loading it: JSON that parses, safetensors that are whole, how many weights of which dtype."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError

BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
FLOATS = ("F64", "F32", "F16", "BF16")
MOST_HEADER = 100_000_000
"""Bytes; safetensors itself refuses longer headers."""


@dataclass(frozen=True)
class Weights:
    """What the safetensors headers of a folder say: number of values by dtype, and the names of the files."""

    counts: dict[str, int]
    files: tuple[str, ...]

    def bytes_as(self, float_size: int) -> int:
        """Memory of the weights with every float in `float_size` bytes; other dtypes (quantized weights) stay as they are."""
        return sum(n * (float_size if kind in FLOATS else BYTES.get(kind, 1)) for kind, n in self.counts.items())


def inspect(folder: Path) -> Weights:
    """Check every file that loading will open. Raises ChatError that names the file and what is wrong with it."""
    for path in sorted(folder.glob("*.json")):
        _parse(path)
    counts: dict[str, int] = {}
    files = weight_files(folder)
    for path in files:
        for entry in header(path).values():
            kind = entry["dtype"]
            counts[kind] = counts.get(kind, 0) + math.prod(entry["shape"])
    return Weights(counts, tuple(p.name for p in files))


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model: the single one, or the parts its index names."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise _no_safetensors(folder)
    names = sorted(set(_parse(index).get("weight_map", {}).values()))
    missing = [n for n in names if not (folder / n).is_file()]
    if missing:
        raise ChatError(
            f"{folder.name} is incomplete: {len(missing)} of {len(names)} weight files are missing, first {missing[0]}. Fetch it again."
        )
    return [folder / n for n in names]


def _no_safetensors(folder: Path) -> ChatError:
    old = [p.name for pattern in ("*.bin", "*.pth", "*.pt", "*.h5", "*.msgpack") for p in folder.glob(pattern)]
    has = f" ({old[0]} is there, but such files can run code when opened)" if old else ""
    return ChatError(
        f"{folder.name} has no model.safetensors{has}. Only safetensors are loaded: save it with save_pretrained(), or fetch it again."
    )


def header(path: Path) -> dict[str, dict[str, Any]]:
    """Tensor name → {dtype, shape, data_offsets} of a safetensors file. Raises ChatError when it is damaged or cut short."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MOST_HEADER, size - 8):
            raise ChatError(f"{path.name} is damaged: it has {size:,} bytes, less than its own header announces. Fetch the file again.")
        try:
            entries = json.loads(file.read(length))
        except ValueError as error:
            raise ChatError(f"{path.name} is damaged: its header is not JSON ({error}). Fetch the file again.") from error
    entries.pop("__metadata__", None)
    needed = 8 + length + max((e["data_offsets"][1] for e in entries.values()), default=0)
    if size < needed:
        raise ChatError(f"{path.name} was cut short: it has {size:,} bytes of {needed:,}. Fetch the file again.")
    return entries


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError
        raise ChatError(f"{path.parent.name}/{path.name} is broken: it is not valid JSON ({error}). Fetch the file again.") from error
