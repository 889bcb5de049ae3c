"""GGUF files as an attacker would write them: lengths that lie, arrays without an end, numbers that no model has."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chatapp.models.sources import embedded_gguf

U8, U32, I32, F32, TEXT, ARRAY, U64 = 0, 4, 5, 6, 8, 9, 10
FORMS = {U8: "<B", U32: "<I", I32: "<i", F32: "<f", U64: "<Q"}
FLIPS = 6
"""Copies of the embedded model with bytes of their header changed at random."""

Pair = tuple[str, int, Any]


def text(value: str | bytes) -> bytes:
    raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def value(kind: int, given: Any) -> bytes:
    """`given` as that kind; an array is (kind of its elements, elements), and bytes stand as they are."""
    if isinstance(given, bytes) and kind != TEXT:
        return given
    if kind == ARRAY:
        inner, items = given
        return struct.pack("<IQ", inner, len(items)) + b"".join(value(inner, item) for item in items)
    return text(given) if kind == TEXT else struct.pack(FORMS[kind], given)


def gguf(pairs: list[Pair], tensors: bytes = b"", *, version: int = 3, count: int | None = None, tensor_count: int = 0) -> bytes:
    """A whole file; `count` and `tensor_count` may lie."""
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, len(pairs) if count is None else count)
    return head + b"".join(text(name) + struct.pack("<I", kind) + value(kind, given) for name, kind, given in pairs) + tensors


def model(**changed: Any) -> list[Pair]:
    """The metadata of a small Llama; `changed` replaces values by the last part of their names, as (kind, value)."""
    tokens = ["<|im_start|>", "<|im_end|>", *map(chr, range(33, 127)), "Ġ", "Ċ", "ab"]
    pairs: list[Pair] = [
        ("general.architecture", TEXT, "llama"),
        ("general.name", TEXT, "forged"),
        ("general.alignment", U32, 32),
        ("llama.block_count", U32, 1),
        ("llama.context_length", U32, 512),
        ("llama.embedding_length", U32, 64),
        ("llama.feed_forward_length", U32, 128),
        ("llama.attention.head_count", U32, 4),
        ("llama.attention.head_count_kv", U32, 2),
        ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        ("tokenizer.ggml.model", TEXT, "gpt2"),
        ("tokenizer.ggml.pre", TEXT, "smollm"),
        ("tokenizer.ggml.tokens", ARRAY, (TEXT, tokens)),
        ("tokenizer.ggml.token_type", ARRAY, (I32, [3, 3, *[1] * (len(tokens) - 2)])),
        ("tokenizer.ggml.merges", ARRAY, (TEXT, ["a b"])),
        ("tokenizer.ggml.bos_token_id", U32, 0),
        ("tokenizer.ggml.eos_token_id", U32, 1),
        ("tokenizer.chat_template", TEXT, "{% for m in messages %}{{ m['content'] }}{% endfor %}"),
    ]
    return [(name, *changed.get(name.rpartition(".")[2], (kind, given))) for name, kind, given in pairs]


def tensor(name: str | bytes, shape: list[int], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape) + struct.pack("<IQ", kind, offset)


def nested(depth: int) -> bytes:
    return struct.pack("<IQ", ARRAY, 1) * depth + struct.pack("<IQ", U8, 0)


EMBEDDING = "token_embd.weight"
WEIGHTS = b"\0" * (64 * 99 * 4 + 64)


def forged(**changed: Any) -> bytes:
    """The small Llama with one of its tensors, and some of its metadata changed."""
    return gguf(model(**changed), tensor(EMBEDDING, [64, 99]), tensor_count=1) + WEIGHTS


FILES: dict[str, bytes] = {
    "empty": b"",
    "letters": b"GGUF",
    "other": b"PK\x03\x04" + b"x" * 1000,
    "text": b"GGUF is a file format\n" * 20,
    "version-1": gguf(model(), version=1),
    "version-99": gguf(model(), version=99),
    "other-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 1),
    "no-values": gguf([]),
    "too-many-values": gguf(model(), count=2**64 - 1),
    "too-many-tensors": gguf(model(), tensor_count=2**63),
    "endless-text": gguf([("general.name", TEXT, "x")])[:-9] + struct.pack("<Q", 2**63 - 1) + b"x",
    "endless-array": gguf([("a", ARRAY, struct.pack("<IQ", U8, 2**62))]),
    "endless-texts": gguf([("a", ARRAY, struct.pack("<IQ", TEXT, 2**62))]),
    "nested-arrays": gguf([("a", ARRAY, nested(200_000))]),
    "unknown-type": gguf([("a", 99, b"xxxx")]),
    "unknown-element": gguf([("a", ARRAY, struct.pack("<IQ", 99, 3) + b"xxx")]),
    "name-is-no-text": gguf([("x", U32, 1)]).replace(text("x"), text(b"\xff")),
    "twice": gguf([*model(), *model()], tensor(EMBEDDING, [64, 99]), tensor_count=1) + WEIGHTS,
    "no-architecture": gguf(model()[1:]),
    "architecture-is-a-path": forged(architecture=(TEXT, "../../../etc/passwd")),
    "architecture-is-a-number": forged(architecture=(U32, 7)),
    "alignment-0": gguf(model(alignment=(U32, 0)), tensor(EMBEDDING, [64, 99]), tensor_count=1),
    "alignment-text": forged(alignment=(TEXT, "x")),
    "no-heads": forged(head_count=(U32, 0)),
    "heads-text": forged(head_count=(TEXT, "many")),
    "heads-of-each-layer": forged(head_count_kv=(ARRAY, (U32, []))),
    "no-layers": forged(block_count=(U32, 0)),
    "many-layers": forged(block_count=(U32, 2**32 - 1)),
    "context-0": forged(context_length=(U32, 0)),
    "context-endless": forged(context_length=(U64, 2**64 - 1)),
    "context-text": forged(context_length=(TEXT, "long")),
    "no-tokens": forged(tokens=(ARRAY, (TEXT, []))),
    "tokens-are-no-text": forged(tokens=(ARRAY, (TEXT, [b"\xff\xfe"] * 99))),
    "few-types": forged(token_type=(ARRAY, (I32, [1]))),
    "types-are-text": forged(token_type=(ARRAY, (TEXT, ["x"] * 99))),
    "end-beyond": forged(eos_token_id=(U32, 2**32 - 1)),
    "merges-are-nonsense": forged(merges=(ARRAY, (TEXT, ["", "x", "a b c", "\ud83d"]))),
    "template-is-a-number": forged(chat_template=(U32, 1)),
    "tensor-endless": gguf(model(), tensor(EMBEDDING, [2**63, 2**63]), tensor_count=1),
    "tensor-empty": gguf(model(), tensor(EMBEDDING, [0]), tensor_count=1),
    "tensor-type": gguf(model(), tensor(EMBEDDING, [64, 99], 999), tensor_count=1),
    "tensor-far-away": gguf(model(), tensor(EMBEDDING, [64, 99], 0, 2**62), tensor_count=1),
    "tensor-of-many-sides": gguf(model(), text("a") + struct.pack("<I", 2**32 - 1), tensor_count=1),
    "no-tensors": gguf(model()),
    "no-weights": gguf(model(), tensor("other.weight", [1]), tensor_count=1) + b"\0" * 4096,
}


def written(folder: Path, name: str) -> Path:
    path = folder / f"{name}.gguf"
    path.write_bytes(FILES[name])
    return path


def flipped(folder: Path, seed: int) -> Path:
    """The embedded model with a few bytes of its metadata changed."""
    dice, path = random.Random(seed), folder / f"flipped-{seed}.gguf"
    data = bytearray(embedded_gguf().read_bytes())
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(4, 3000 if dice.random() < 0.5 else 1_500_000)] = dice.randrange(256)
    path.write_bytes(data)
    return path


def cases(seed: int) -> dict[str, Callable[[Path], Path]]:
    """Name → what writes the file into a folder."""
    made: dict[str, Callable[[Path], Path]] = {f"gguf {name}": lambda folder, name=name: written(folder, name) for name in FILES}
    flips = range(seed * 100, seed * 100 + FLIPS)
    return made | {f"gguf flipped {n}": lambda folder, n=n: flipped(folder, n) for n in flips}
