"""What is known of a model: by its configuration or its GGUF header, without torch or its weights, and by the engine that serves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.models.gguf import read_gguf
from chatapp.models.identity import ModelId

if TYPE_CHECKING:
    from transformers import PretrainedConfig

CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx", "seq_length")
UNKNOWN_CONTEXT = 2048
"""For configurations that name no limit (Bloom's ALiBi, state-space models): long enough to chat, short enough to be safe."""


@dataclass(frozen=True)
class ModelInfo:
    """What a model is, and, once an engine serves it, how: for the start-up card, the page and every turn.

    parameters  number of weights (tied ones once); dtype_reason says why that dtype was chosen
    context     tokens that the model allows; those that each person has, once it is served
    engine      that serves it; '' before
    advice      what would make it faster on this machine, in words
    vocabulary  entries of the model's embedding table: it can read the ids below this number, and no other
    versions    of the packages that make the reply, by name
    shipped     number format of the file, where the weights that are served were made from it in another one
    """

    model: str
    revision: str
    parameters: int
    context: int
    device: str
    dtype: str
    dtype_reason: str
    engine: str = ""
    advice: str = ""
    vocabulary: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    shipped: str = ""

    @property
    def id(self) -> ModelId:
        """Which weights these are."""
        return ModelId(self.model, self.revision)


def context_of(config: "PretrainedConfig") -> int:
    """The longest sequence a configuration allows, in tokens; UNKNOWN_CONTEXT where it names none."""
    text = config.get_text_config()
    found = (getattr(text, name, None) for name in CONTEXT_NAMES)
    return next((int(n) for n in found if isinstance(n, int) and n > 0), UNKNOWN_CONTEXT)


def gguf_info(gguf: Path, name: str, revision: str) -> ModelInfo:
    """What a GGUF file says that llama.cpp runs as it is, on the CPU. Raises ChatError for a damaged file."""
    file = read_gguf(gguf)
    context = file.of_arch("context_length") or UNKNOWN_CONTEXT
    return ModelInfo(name, revision, file.parameters, context, "cpu", file.kind, "the number format of the GGUF file")
