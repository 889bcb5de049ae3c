"""Looking at a model folder before loading it: JSON that parses, safetensors that are whole, how many weights of which dtype."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError

BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
FLOATS = ("F64", "F32", "F16", "BF16")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
SIZES = (*LAYERS, "hidden_size", "n_embd", "vocab_size", "num_attention_heads", "n_head")
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
    tensors = [entry for path in files for entry in header(path).values()]
    for entry in tensors:
        kind = entry["dtype"]
        counts[kind] = counts.get(kind, 0) + math.prod(entry["shape"])
    _check_config(folder / "config.json", len(tensors))
    return Weights(counts, tuple(p.name for p in files))


def tensor_bytes(folder: Path) -> dict[str, int]:
    """Tensor name → bytes in its file."""
    found = (entry for path in weight_files(folder) for entry in header(path).items())
    return {name: entry["data_offsets"][1] - entry["data_offsets"][0] for name, entry in found}


def _check_config(path: Path, tensors: int) -> None:
    """Names that are none, and sizes that no model has: none of something, or more layers than tensors. Building that might never end."""
    config = _object(path)
    named = config.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise _broken(path, f"architectures is {str(named)[:40]}, which is no list of names")
    for values in (config, config.get("text_config")):
        sizes = {name: size for name in SIZES if isinstance(values, dict) and isinstance(size := values.get(name), int)}
        for name, size in sizes.items():
            if size < 1:
                raise _broken(path, f"{name} is {size}, which is no size")
            if name in LAYERS and size > tensors:
                raise _broken(path, f"{name} is {str(size)[:40]}, and the files of the weights hold {tensors:,} tensors")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up the model: the single one, or the parts its index names."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise _no_safetensors(folder)
    names = _named(index)
    missing = [n for n in names if not (folder / n).is_file()]
    if missing:
        raise ChatError(
            f"{folder.name} is incomplete: {len(missing)} of {len(names)} weight files are missing, first {missing[0]}. Fetch it again."
        )
    return [folder / n for n in names]


def _named(index: Path) -> list[str]:
    """The files that an index names, which lie beside it."""
    places = _object(index).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
        raise _broken(index, "it has no weight_map that names a file for each tensor")
    names = sorted(set(places.values()))
    if outside := [name for name in names if Path(name).name != name]:
        raise _broken(index, f"it names {outside[0][:80]!r}, which is no file beside it")
    return names


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
        except (ValueError, RecursionError) as error:
            raise ChatError(f"{path.name} is damaged: its header is not JSON ({error}). Fetch the file again.") from error
    if not isinstance(entries, dict):
        raise ChatError(f"{path.name} is damaged: its header is no table of tensors. Fetch the file again.")
    entries.pop("__metadata__", None)
    if wrong := [name for name, entry in entries.items() if not _is_tensor(entry)]:
        raise ChatError(f"{path.name} is damaged: its header does not say what tensor {wrong[0][:80]!r} is. Fetch the file again.")
    needed = 8 + length + max((e["data_offsets"][1] for e in entries.values()), default=0)
    if size < needed:
        raise ChatError(f"{path.name} was cut short: it has {size:,} bytes of {needed:,}. Fetch the file again.")
    return entries


def _is_tensor(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("dtype"), str):
        return False
    numbers = [entry.get("shape"), entry.get("data_offsets")]
    return all(isinstance(n, list) and all(isinstance(i, int) and i >= 0 for i in n) for n in numbers) and len(numbers[1]) == 2


def _parse(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, numbers or brackets without an end
        raise _broken(path, f"it is not valid JSON ({error})") from error


def _object(path: Path) -> dict[str, Any]:
    found = _parse(path)
    if not isinstance(found, dict):
        raise _broken(path, f"it is {type(found).__name__}, not an object")
    return found


def _broken(path: Path, what: str) -> ChatError:
    return ChatError(f"{path.parent.name}/{path.name} is broken: {what}. Fetch the file again.")
