"""The tensors of a model by the headers of its files: names, shapes, dtypes, bytes; and the blocks they form. No weight is read."""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from chatapp.models.files.explained import short

BITS = {"F64": 64, "I64": 64, "U64": 64, "C64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16, "I16": 16, "U16": 16} | {
    name: 8 for name in ("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ")
}
"""Of a number, by safetensors' names of dtypes."""

MOST_LISTED = 2000
"""Tensors that are listed one by one; all are counted."""

EMBEDDINGS = (
    "embed_tokens.weight",
    "wte.weight",
    "word_embeddings.weight",
    "embed_in.weight",
    "token_embd.weight",
    "tok_embeddings.weight",
)
BLOCK = re.compile(r"(?:.*\.)?(?:layers?|h|blocks?|blk)\.(\d{1,6})\.")


@dataclass(frozen=True)
class Tensor:
    """`shape` as PyTorch has it: rows first."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    file: str

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.shape)


def read_entries(entries: dict[str, dict[str, Any]], file: str) -> list[Tensor]:
    """Of a safetensors header."""
    return [
        Tensor(short(name), tuple(e["shape"]), short(e["dtype"], 20), e["data_offsets"][1] - e["data_offsets"][0], file)
        for name, e in entries.items()
    ]


def wrong_sizes(tensors: Iterable[Tensor]) -> str:
    """What is false in a header, in a sentence: a tensor whose bytes are not those of its shape. '' where all is well."""
    for tensor in tensors:
        bits = BITS.get(tensor.dtype)
        needed = tensor.size * bits // 8 if bits else tensor.bytes
        if needed != tensor.bytes:
            shape = " × ".join(short(n) for n in tensor.shape)
            return (
                f"{tensor.file} is damaged: its header gives {tensor.name} {tensor.bytes:,} bytes, and {shape} numbers of {tensor.dtype} "
                f"take {short(needed)}. Fetch the file again."
            )
    return ""


def table(tensors: list[Tensor]) -> dict[str, Any]:
    """All of them in numbers, by block, and one by one."""
    kinds: dict[str, int] = {}
    for tensor in tensors:
        kinds[tensor.dtype] = kinds.get(tensor.dtype, 0) + tensor.size
    return {
        "count": len(tensors),
        "parameters": sum(t.size for t in tensors),
        "bytes": sum(t.bytes for t in tensors),
        "dtypes": dict(sorted(kinds.items(), key=lambda item: -item[1])),
        "groups": groups(tensors),
        "list": [asdict(t) for t in tensors[:MOST_LISTED]],
        "not_listed": max(0, len(tensors) - MOST_LISTED),
    }


def block_of(name: str) -> tuple[str, int | None]:
    """('model.layers', 3) of 'model.layers.3.mlp.up_proj.weight'; the name itself and None outside of blocks."""
    found = BLOCK.match(name)
    return (name[: found.end(1) - len(found[1]) - 1], int(found[1])) if found else (name, None)


def groups(tensors: list[Tensor]) -> list[dict[str, Any]]:
    """Blocks with the parameters of each, equal ones in a row as one entry with `times`; what is in no block by itself."""
    blocks: dict[tuple[str, int | None], list[Tensor]] = {}
    for tensor in tensors:
        blocks.setdefault(block_of(tensor.name), []).append(tensor)
    out: list[dict[str, Any]] = []
    for (name, at), inside in sorted(blocks.items(), key=lambda item: (item[0][1] is not None, item[0][0], item[0][1] or 0)):
        parts = sorted((t.name.removeprefix(f"{name}.{at}."), t.shape, t.dtype) for t in inside)
        if at is not None and out and out[-1]["name"] == name and out[-1]["_parts"] == parts:
            out[-1] |= {"last": at, "times": out[-1]["times"] + 1}
            continue
        entry = {"name": name, "first": at, "last": at, "times": 1, "parameters": sum(t.size for t in inside)}
        out.append(entry | {"bytes": sum(t.bytes for t in inside), "_parts": parts})
    for entry in out[MOST_LISTED:]:
        entry["_parts"] = []
    return [{**entry, "tensors": [{"name": p[0], "shape": p[1], "dtype": p[2]} for p in entry.pop("_parts")]} for entry in out]


def embedding(tensors: Iterable[Tensor]) -> Tensor | None:
    """The table of words, by the names that families give it."""
    return next((t for t in tensors if t.name.endswith(EMBEDDINGS) and len(t.shape) == 2), None)


def layers(tensors: Iterable[Tensor]) -> int:
    """How many blocks the files hold: of the stack that has most."""
    stacks: dict[str, set[int]] = {}
    for tensor in tensors:
        name, at = block_of(tensor.name)
        if at is not None:
            stacks.setdefault(name, set()).add(at)
    return max(map(len, stacks.values()), default=0)
