"""The sizes of a model as its config.json names them, under whatever names its family gives them, and what they multiply to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatapp.models.info import CONTEXT_NAMES
from chatapp.models.weights import LAYERS

ROLES = {
    "layers": LAYERS,
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "n_head_kv"),
    "head_dim": ("head_dim", "d_kv"),
    "inner": ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "hidden_dim"),
    "vocabulary": ("vocab_size",),
    "context": CONTEXT_NAMES,
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
}
ENCODERS = frozenset(
    ["albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "modernbert", "mpnet", "roberta", "xlm-roberta"]
)
"""Families that read a whole text at once and write none: they keep no keys and values."""

UNGATED = (ENCODERS - {"modernbert"}) | {
    "bloom", "codegen", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "mpt", "opt", "phi", "starcoder2",
}  # fmt: skip
"""Families whose feed-forward part has two matrices; the others have a third, the gate."""

DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1, "float8_e4m3fn": 1, "float8_e5m2": 1}
"""Bytes of a number."""


@dataclass(frozen=True)
class Shape:
    """Sizes, 0 where none is named. `matrices` of the feed-forward part, 2 or 3; `itemsize` bytes of a number.

    `writes`: has a KV cache; `tied`: words go in and out by one table.
    """

    layers: int = 0
    hidden: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    inner: int = 0
    vocabulary: int = 0
    context: int = 0
    experts: int = 0
    matrices: int = 3
    itemsize: int = 0
    writes: bool = True
    tied: bool = True

    @property
    def embedding(self) -> int:
        return self.vocabulary * self.hidden

    @property
    def attention(self) -> int:
        """Weights of a block's four attention matrices: queries and output, keys and values."""
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)

    @property
    def feed_forward(self) -> int:
        return self.matrices * self.hidden * self.inner * max(1, self.experts)

    @property
    def block(self) -> int:
        return self.attention + self.feed_forward + 2 * self.hidden

    @property
    def kv_numbers(self) -> int:
        """Keys and values of one token; 0 for a model that writes nothing, or does not say its sizes."""
        return 0 if not self.writes else 2 * self.layers * self.kv_heads * self.head_dim

    @property
    def kv_bytes(self) -> int:
        """Of one token, in 16 bits."""
        return 2 * self.kv_numbers


def shape_of(config: Mapping[str, Any]) -> Shape:
    """Of config.json; a model of text and images has its own in `text_config`. What is no size (a text, less than 1) counts as unnamed."""
    inner = config.get("text_config")
    values = {**config, **inner} if isinstance(inner, Mapping) else config
    sizes = {role: _first(values, names) for role, names in ROLES.items()}
    hidden, heads = sizes["hidden"], sizes["heads"]
    sizes["head_dim"] = sizes["head_dim"] or (hidden // heads if heads else 0)
    sizes["kv_heads"] = sizes["kv_heads"] or (1 if values.get("multi_query") is True else heads)
    family = values.get("model_type")
    family = family if isinstance(family, str) else ""
    plain = family in UNGATED
    sizes["inner"] = sizes["inner"] or (4 * hidden if plain else 0)
    dtype = values.get("dtype") or values.get("torch_dtype")
    itemsize = DTYPES.get(dtype, 0) if isinstance(dtype, str) else 0
    return Shape(
        **sizes,
        matrices=2 if plain else 3,
        itemsize=itemsize,
        writes=family not in ENCODERS,
        tied=values.get("tie_word_embeddings") is not False,
    )


def role_of(key: str) -> str:
    """Which size a key names; '' for none."""
    return next((role for role, names in ROLES.items() if key in names), "")


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> int:
    found = (values.get(name) for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), 0)
