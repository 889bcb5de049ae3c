"""Will a model fit into this machine's memory? From its number of weights and its configuration, before anything is downloaded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from chatapp.models.cpu import cpu_flags
from chatapp.models.forecast import forecast, sizes_of
from chatapp.models.loading import CPU_BF16
from chatapp.models.memory import SHORTEST, USUAL, gigabytes
from chatapp.models.shape import shape_of
from chatapp.models.weights import Weights

Verdict = Literal["fits", "tight", "too large", "unknown"]


@dataclass(frozen=True)
class Fit:
    """A verdict, and the numbers behind it in words."""

    verdict: Verdict
    words: str


UNKNOWN = Fit("unknown", "Its size is not known before it is downloaded.")


@dataclass(frozen=True)
class Room:
    """Where it would go: bytes `free` there, and bytes of a float as models are held on this device; for how many `people` at once."""

    free: int
    float_size: int
    context: int = USUAL
    device: str = "cpu"
    people: int = 1

    def of_weights(self, weights: Weights, config: Mapping[str, Any]) -> Fit:
        """Of safetensors, which are held as this device computes."""
        return self._of("batched" if self.device == "cuda" else "direct", weights.bytes_as(self.float_size), config)

    def of_file(self, size: int, config: Mapping[str, Any]) -> Fit:
        """Of a GGUF file, which is held as it is."""
        return self._of("llamacpp" if self.device == "cpu" else "direct", size, config)

    def _of(self, engine: str, size: int, config: Mapping[str, Any]) -> Fit:
        if not size:
            return UNKNOWN
        sizes = sizes_of(size, shape_of(config), 2 if engine == "llamacpp" else self.float_size)
        found = forecast(engine, sizes, self.people, self.context, self.free, self.device)
        least = replace(found, context=min(SHORTEST, found.context))
        if least.required > self.free:
            return Fit("too large", f"It needs {gigabytes(least.required)} and {gigabytes(self.free)} are free.")
        return Fit("fits" if found.required < 0.7 * self.free else "tight", str(found))


def float_size(device: str, dtype: str) -> int:
    """Bytes of a float where `device` is cpu, cuda or mps, and dtype is --dtype's."""
    if dtype != "auto":
        return 4 if dtype == "float32" else 2
    return 4 if device == "cpu" and not cpu_flags() & set(CPU_BF16) else 2
