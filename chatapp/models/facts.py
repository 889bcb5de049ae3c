"""Facts of a model from its configuration or its GGUF header: no torch, no weights read."""

from dataclasses import dataclass
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
class Facts:
    """What a Card needs to know. `context` is what the model allows, before any setting or memory limits it."""

    model: str
    revision: str
    parameters: int
    context: int
    device: str
    dtype: str
    dtype_reason: str

    @property
    def id(self) -> ModelId:
        """Which weights these are."""
        return ModelId(self.model, self.revision)


def context_of(config: "PretrainedConfig") -> int:
    """The longest sequence a configuration allows, in tokens; UNKNOWN_CONTEXT where it names none."""
    text = config.get_text_config()
    found = (getattr(text, name, None) for name in CONTEXT_NAMES)
    return next((int(n) for n in found if isinstance(n, int) and n > 0), UNKNOWN_CONTEXT)


def gguf_facts(gguf: Path, name: str, revision: str) -> Facts:
    """Facts of a GGUF file that llama.cpp runs as it is, on the CPU. Raises ChatError for a damaged file."""
    file = read_gguf(gguf)
    context = file.of_arch("context_length") or UNKNOWN_CONTEXT
    return Facts(name, revision, file.parameters, context, "cpu", file.kind, "the number format of the GGUF file")
