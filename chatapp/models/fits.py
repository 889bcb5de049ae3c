"""Will a model fit into this machine's memory? From its number of weights and its configuration, before anything is downloaded."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from chatapp.models.cpu import cpu_flags
from chatapp.models.info import UNKNOWN_CONTEXT
from chatapp.models.loading import CPU_BF16
from chatapp.models.memory import SHORTEST, USUAL, Forecast, gigabytes
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
    """Where it would go: bytes `free` there, and bytes of a float as models are held on this device."""

    free: int
    float_size: int
    context: int = USUAL

    def of_weights(self, weights: Weights, config: Mapping[str, Any]) -> Fit:
        """Of safetensors, which are held as this device computes."""
        return self._of(weights.bytes_as(self.float_size), config)

    def of_file(self, size: int, config: Mapping[str, Any]) -> Fit:
        """Of a GGUF file, which is held as it is."""
        return self._of(size, config)

    def _of(self, size: int, config: Mapping[str, Any]) -> Fit:
        if not size:
            return UNKNOWN
        shape = shape_of(config)
        context = min(self.context, shape.context or UNKNOWN_CONTEXT)
        forecast = Forecast(size, shape.kv_numbers * self.float_size, 1, context, self.free)
        least = replace(forecast, context=min(SHORTEST, context))
        if least.required > self.free:
            return Fit("too large", f"It needs {gigabytes(least.required)} and {gigabytes(self.free)} are free.")
        return Fit("fits" if forecast.required < 0.7 * self.free else "tight", str(forecast))


def float_size(device: str, dtype: str) -> int:
    """Bytes of a float where `device` is cpu, cuda or mps, and dtype is --dtype's."""
    if dtype != "auto":
        return 4 if dtype == "float32" else 2
    return 4 if device == "cpu" and not cpu_flags() & set(CPU_BF16) else 2
