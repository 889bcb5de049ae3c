"""What a model will take of the memory, by its sizes alone: the one forecast, of which loading, the Hub's rows, load-check and pages speak.

`python -m chatapp.bench --memory` measures how true it is, and the numbers below come from there.
"""

import math
import sys
from dataclasses import dataclass

from chatapp.models.gguf import GgufFile
from chatapp.models.info import UNKNOWN_CONTEXT
from chatapp.models.memory import HEADROOM, SHARE, gigabytes
from chatapp.models.shape import Shape

CELLS = 256
"""Tokens by which a KV cache grows, in llama.cpp as in the engine direct."""

TOKENIZER = 960
"""Bytes for each entry of a vocabulary that a tokenizer takes in this process."""

STEP = 128
"""Tokens of a prompt that go through a model at a time, by which what lies between its layers is counted."""

DIRECT = 24_000_000
"""Bytes that loading a model leaves behind beside its weights: its modules, the buffers of matrix products, the allocator's free pieces."""

CHILD, CHILD_TOKEN = 29_000_000, 400
"""Bytes of llama.cpp's own process beside weights and keys and values: Python, buffers of a step; and for each entry of the vocabulary."""

TRANSFORMERS, PYTORCH = 27_000_000, 240_000_000
"""Bytes of packages, once, before the first model that needs them. Libraries that other programs use, too, count in part."""


@dataclass(frozen=True)
class Forecast:
    """Bytes of the weights and of one token's keys and values; `concurrency` × `context` tokens; bytes free on the device before.

    copies   how many times the keys and values of a context are held; `spare` tokens more than a person has
    work     bytes beside those: the tokenizer, what lies between layers, a process of its own
    runtime  bytes of packages that are not here yet and stay, once for all models
    read     bytes of the weights that each new token needs; 0 where that is not known
    """

    weights: int
    per_token: int
    concurrency: int
    context: int
    free: int
    device: str = "cpu"
    copies: float = 1
    spare: int = 0
    work: int = 0
    runtime: int = 0
    read: int = 0

    @property
    def cache(self) -> int:
        return int(self.per_token * self.concurrency * math.ceil((self.context + self.spare) / CELLS) * CELLS * self.copies)

    @property
    def bytes(self) -> int:
        """What it takes in memory, once its context is full."""
        return self.weights + self.cache + self.work

    @property
    def required(self) -> int:
        """What must be free before it is loaded: the weights with what reading them takes, and a KV cache within its SHARE."""
        return int(self.weights * HEADROOM + self.per_token * self.concurrency * self.context / SHARE) + self.work + self.runtime

    def __str__(self) -> str:
        """For the start-up card and the page. Where nothing is known of keys and values, nothing is said of them."""
        who = f"{self.concurrency} × {self.context:,} tokens" if self.concurrency > 1 else f"{self.context:,} tokens"
        said = [f"{gigabytes(self.weights)} weights"]
        said += [f"{gigabytes(self.cache)} KV cache ({who})"] if self.per_token else []
        said += [f"{gigabytes(self.work)} to work in"] if self.work else []
        once = f", and {gigabytes(self.runtime)} once for PyTorch and its like" if self.runtime else ""
        return f"{' + '.join(said)} of {gigabytes(self.free)} free{once}"


@dataclass(frozen=True)
class Sizes:
    """What a forecast is made of: bytes of the weights, of a token's keys and values, and of the weights that each new token needs (`read`,
    0 where that is not known), as they are held; widths, entries of the vocabulary, tokens."""

    weights: int
    per_token: int
    hidden: int
    inner: int
    vocabulary: int
    context: int
    read: int = 0


def sizes_of(weights: int, shape: Shape, itemsize: int) -> Sizes:
    """Of a model by its configuration: bytes of its weights, and of a number of its keys and values."""
    context = shape.context or UNKNOWN_CONTEXT
    once = 0 if shape.tied else shape.embedding * itemsize  # of a table of its own one row is looked up
    read = 0 if shape.experts else max(0, weights - once)
    return Sizes(weights, shape.kv_numbers * itemsize, shape.hidden, shape.inner, shape.vocabulary, context, read)


def sizes_of_gguf(weights: int, file: GgufFile, itemsize: int = 2) -> Sizes:
    """Of a GGUF file by its header."""
    hidden, inner = (size if isinstance(size := file.of_arch(name), int) else 0 for name in ("embedding_length", "feed_forward_length"))
    tables = {tensor.name: tensor for tensor in file.tensors if tensor.name in (b"token_embd.weight", b"output.weight")}
    once = tables[b"token_embd.weight"].size / max(1, file.parameters) if len(tables) == 2 else 0
    read = 0 if file.of_arch("expert_count") else int(weights * (1 - once))
    return Sizes(weights, file.kv_bytes_per_token * itemsize // 2, hidden, inner, len(file.tokens), file.context, read)


def forecast(engine: str, sizes: Sizes, people: int, tokens: int, free: int, device: str = "cpu", runtime: int = 0) -> Forecast:
    """Of a model of these sizes in this engine, for `people` at once with `tokens` each, or as many as it allows.

    `runtime`: see missing(), which is asked before anything is imported.
    """
    context = min(tokens, sizes.context)
    concurrency = 1 if engine == "direct" else people
    work, (copies, spare) = _work(engine, sizes, device), COPIES[engine]
    weights, per_token = sizes.weights, sizes.per_token
    return Forecast(weights, per_token, concurrency, context, free, device, copies, spare, work, runtime, sizes.read)


COPIES = {"direct": (2, 0), "batched": (1.25, 0), "llamacpp": (1, 2)}
"""Of the keys and values, and spare tokens. direct: a reply's cache, and what is kept of it for the next turn; batched: pages that are left
free (paged.IN_USE); llama.cpp ends a reply before its context is full."""


def _work(engine: str, sizes: Sizes, device: str) -> int:
    if engine == "llamacpp":
        return CHILD + (CHILD_TOKEN + TOKENIZER) * sizes.vocabulary
    between = STEP * (2 * sizes.inner + 4 * sizes.hidden) * 4 + 8 * sizes.vocabulary
    return between + (DIRECT + TOKENIZER * sizes.vocabulary if device == "cpu" else 0)


def missing(engine: str) -> int:
    """Bytes of the packages that an engine needs and this process has not imported yet."""
    torch = PYTORCH if engine != "llamacpp" and "torch" not in sys.modules else 0
    return torch + (TRANSFORMERS if "transformers" not in sys.modules else 0)
