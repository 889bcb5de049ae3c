"""Files of weights: safetensors and GGUF by their headers, an index by its table, and pickles by their size alone."""

from pathlib import Path
from typing import Any

from chatapp.models import gguf, weights
from chatapp.models.files.consequences import BY_ROLE
from chatapp.models.files.explained import Explained, Line, number, short, size
from chatapp.models.files.folder import Entry, Folder
from chatapp.models.files.printing import pretty
from chatapp.models.files.tensors import Tensor, read_entries, wrong_sizes
from chatapp.models.shape import Shape

SAFETENSORS = (
    "The weights: a header that names each tensor with its shape and dtype, and the numbers behind it. Nothing in it can run, and any "
    "part can be read without the rest."
)
PICKLE = (
    "Not opened: it is a pickle, the older form of PyTorch's weights. A pickle is a program that builds objects when it is read, so a file "
    "from a stranger can run anything on this machine. Look for safetensors of the same model, or convert it where you trust its origin."
)
INDEX = "Which of the weights' files holds which tensor: a large model is cut into several files (shards)."
GGUF = (
    "The whole model in one file, as llama.cpp runs it: configuration, vocabulary, chat template and the weights, mostly in few bits. "
    "Read from its header."
)
ABOUT_GGUF = {
    "general.architecture": "The family; llama.cpp picks its code by this name.",
    "general.file_type": "The format that most weights were written in, by llama.cpp's number.",
    "general.quantization_version": "Version of the formats of few bits.",
    "general.alignment": "Each tensor begins at a multiple of so many bytes.",
    "general.license": "Under which licence the weights may be used, as the file says.",
    "tokenizer.ggml.model": "The kind of tokenizer: gpt2 is byte-level BPE, llama is SentencePiece (BPE with byte fallback), "
    "bert WordPiece, t5 Unigram.",
    "tokenizer.ggml.add_space_prefix": "Put a space in front, so that the first word is cut like any other?",
    "tokenizer.ggml.add_bos_token": "Put the beginning-of-text token in front by itself?",
    "tokenizer.ggml.add_eos_token": "Put the end-of-text token behind by itself?",
    "tokenizer.ggml.pre": "By which pattern text is cut before merges.",
    "tokenizer.chat_template": "How a chat becomes one text, in Jinja.",
    "feed_forward_length": "Inner width of the feed-forward part, layer by layer.",
    "attention.head_count": "Attention heads, layer by layer.",
    "attention.head_count_kv": "Heads of keys and values, layer by layer.",
    "attention.value_length": "Width of a head's values.",
    "attention.layer_norm_rms_epsilon": "A tiny number that keeps the norm from dividing by zero.",
    "attention.sliding_window": "Layers with a window see only so many tokens back.",
    "rope.freq_base": "Base of the rotations by which queries and keys know their positions.",
    "rope.dimension_count": "Numbers of each head that are rotated.",
    "expert_used_count": "Experts that each token goes through.",
}


ROLES = {
    "context_length": "context",
    "embedding_length": "hidden",
    "block_count": "layers",
    "feed_forward_length": "inner",
    "attention.head_count": "heads",
    "attention.head_count_kv": "kv_heads",
    "attention.key_length": "head_dim",
    "vocab_size": "vocabulary",
    "expert_count": "experts",
}
"""Sizes, which come with their numbers."""


def safetensors(entry: Entry, folder: Folder) -> tuple[Explained, list[Tensor]]:
    """By the header alone. Raises ChatError for one that is damaged or cut short."""
    path = folder.path(entry.name)
    folder.spend(_header_bytes(path, entry), entry.name)
    found = read_entries(weights.header(path), entry.name)
    sizes: dict[str, int] = {}
    for tensor in found:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.size
    kinds = ", ".join(f"{number(n)} numbers of {dtype}" for dtype, n in sizes.items()) or "no tensors"
    lines = (Line("tensors", f"{len(found):,}", f"{kinds}."), *(_row(tensor) for tensor in found[:12]))
    return Explained(entry.name, entry.bytes, "weights", SAFETENSORS, wrong_sizes(found), lines), found


def _header_bytes(path: Path, entry: Entry) -> int:
    with path.open("rb") as file:
        announced = int.from_bytes(file.read(8), "little")
    return min(announced, entry.bytes)


def _row(tensor: Tensor) -> Line:
    shape = " × ".join(number(n) for n in tensor.shape) or "one number"
    return Line(tensor.name, f"{shape} {tensor.dtype}", f"{number(tensor.size)} numbers, {size(tensor.bytes)}.")


def index(entry: Entry, folder: Folder) -> Explained:
    """model.safetensors.index.json, or that of pickles. Names of files that do not lie beside it are said and never opened."""
    values = folder.json(entry.name)
    places = values.get("weight_map")
    places = places if isinstance(places, dict) else {}
    shards: dict[str, int] = {}
    for name in places.values():
        shards[short(name, 120)] = shards.get(short(name, 120), 0) + 1
    outside = [name for name in shards if Path(name).name != name]
    missing = [name for name in shards if name not in outside and not folder.has(name)]
    problem = ""
    if not places:
        problem = "It has no weight_map that names a file for each tensor."
    elif outside:
        problem = f"It names {outside[0]}, which is no file beside it. It is not opened."
    elif missing:
        problem = f"{len(missing):,} of {len(shards):,} files that it names are missing, first {missing[0]}. Fetch the model again."
    lines = tuple(Line(name, f"{count:,} tensors", "A file of the weights.") for name, count in sorted(shards.items())[:40])
    return Explained(entry.name, entry.bytes, "index of the weights", INDEX, problem, lines, pretty(values))


def pickle(entry: Entry) -> Explained:
    return Explained(entry.name, entry.bytes, "pickle", PICKLE)


def of_gguf(entry: Entry, folder: Folder) -> tuple[Explained, list[Tensor]]:
    """Raises ChatError for a file that is none, damaged or cut short."""
    file = gguf.read_gguf(folder.path(entry.name))
    tensors = gguf_tensors(file)
    lines = tuple(_gguf_line(key, value, file) for key, value in list(file.values.items())[:300])
    counted = (
        Line("vocabulary", f"{len(file.tokens):,} tokens", "Pieces that the model knows by a number."),
        Line("tensors", f"{len(tensors):,}", f"{number(file.parameters)} weights, most of them {file.kind}."),
        Line("KV cache", f"{file.kv_bytes_per_token:,} bytes a token", "Keys and values in 16 bits, all blocks together."),
    )
    plain = {key: value for key, value in file.values.items() if key != "tokenizer.chat_template"}
    return Explained(entry.name, entry.bytes, "GGUF", GGUF, "", counted + lines, pretty(plain)), tensors


def gguf_shape(file: gguf.GgufFile) -> Shape:
    """Its sizes; those that differ from layer to layer count as unnamed."""
    sizes = {role: file.of_arch(name, 0) for name, role in ROLES.items()}
    sizes = {role: n if isinstance(n, int) else 0 for role, n in sizes.items()} | {"vocabulary": len(file.tokens)}
    heads = sizes["heads"]
    sizes["head_dim"] = sizes["head_dim"] or (sizes["hidden"] // heads if heads else 0)
    return Shape(**sizes | {"kv_heads": sizes["kv_heads"] or heads})


def gguf_tensors(file: gguf.GgufFile) -> list[Tensor]:
    from gguf import GGMLQuantizationType

    def dtype(kind: int) -> str:
        return GGMLQuantizationType(kind).name

    name = file.path.name
    return [Tensor(short(t.name.decode(errors="replace")), t.shape[::-1], dtype(t.kind), t.nbytes, name) for t in file.tensors]


def _gguf_line(key: str, value: Any, file: gguf.GgufFile) -> Line:
    bare = key.removeprefix(f"{file.values.get('general.architecture')}.")
    sized = bare in ROLES and isinstance(value, int) and value > 0
    words = BY_ROLE[ROLES[bare]](gguf_shape(file)) if sized else ABOUT_GGUF.get(bare, "")
    words = words or ("A number of a special token." if key.endswith("_token_id") else "")
    about = key.startswith("general.")
    return Line(
        short(key, 80), short(value), words or ("Says what it is." if about else "A key that this app does not know."), bool(words) or about
    )


def gguf_template(path: Path) -> tuple[str, dict[str, str]]:
    """(chat template, special tokens by the names that templates use) of a GGUF."""
    file = gguf.read_gguf(path)
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    ids = {name: file.values.get(f"tokenizer.ggml.{key}_token_id") for name, key in names.items()}
    known = {name: i for name, i in ids.items() if isinstance(i, int) and 0 <= i < len(file.tokens)}
    template = file.values.get("tokenizer.chat_template")
    return template if isinstance(template, str) else "", {n: file.tokens[i].decode(errors="replace") for n, i in known.items()}
