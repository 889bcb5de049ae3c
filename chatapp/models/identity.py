"""Which weights are these? A fingerprint of a model's files that two checkpoints of one run do not share. No torch, no Hub."""

from hashlib import sha256
from pathlib import Path

from chatapp.models.weights import MOST_HEADER, weight_files

HEAD = 2**16
BLOCK, BLOCKS = 2**14, 64
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.jinja",
)
"""What cuts text into ids and frames the messages. generation_config.json counts with config.json: it names the end of a turn."""


def file_fingerprint(path: Path) -> str:
    """A hash (hex) of a weights file that takes milliseconds for any size: its length, its header and 64 blocks of 16 KiB over all of it.

    A training step moves nearly every weight, so checkpoints of one run differ; files up to 1 MiB are read whole. What sampling can miss
    is a change that lies between two blocks: surely seen is one that spans a 63rd of the file, surely not a single edited weight between.
    """
    size = path.stat().st_size
    digest = sha256(f"{size} ".encode())
    with path.open("rb") as file:
        digest.update(file.read(_header_bytes(path, file.read(8))))
        for n in range(BLOCKS):
            file.seek(n * max(0, size - BLOCK) // (BLOCKS - 1))
            digest.update(file.read(BLOCK))
    return digest.hexdigest()


def _header_bytes(path: Path, first: bytes) -> int:
    """How much to read after the first 8 bytes: safetensors say there how long their table of tensors is."""
    announced = int.from_bytes(first, "little")
    return announced if path.suffix == ".safetensors" and announced <= MOST_HEADER else HEAD


def folder_fingerprint(folder: Path) -> str:
    """A hash (hex) of a model folder: its configuration, its tokenizer, and `file_fingerprint` of each weights file.

    The folder's name and place do not count: a copy is the same model. Raises ChatError where the weights are missing.
    """
    digest = sha256()
    wanted = ("config.json", "generation_config.json", *TOKENIZER)
    for path in sorted({found for pattern in wanted for found in folder.glob(pattern)}):
        digest.update(f"{path.name} {path.stat().st_size} ".encode() + path.read_bytes())
    for path in weight_files(folder):
        digest.update(f"{path.name} {file_fingerprint(path)} ".encode())
    return digest.hexdigest()
