"""Every sampling setting once: its name, label, range, default and meaning. Panel, /chat, /v1, X-ray and the records read them here."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from chatapp.errors import ChatError, closest


@dataclass(frozen=True)
class SamplingParam:
    """One sampling setting: drives the slider, the validation, the API field and the help text.

    `off` is the value at which the knob does nothing; `basic` knobs are always visible, the others stand under "More".
    """

    name: str
    label: str
    default: Any
    minimum: float
    maximum: float
    step: float
    off: Any
    basic: bool
    help: str


SAMPLING_PARAMS: tuple[SamplingParam, ...] = (
    SamplingParam(
        "temperature", "Temperature", 0.7, 0.0, 2.0, 0.05, 0.0, True, "0 always takes the most likely token; higher is more varied."
    ),
    SamplingParam(
        "top_p", "Top-p", 0.95, 0.0, 1.0, 0.01, 1.0, True, "Keep the likeliest tokens that together reach this probability. 1 is off."
    ),
    SamplingParam("top_k", "Top-k", 50, 0, 500, 1, 0, True, "Keep only the k likeliest tokens. 0 is off."),
    SamplingParam(
        "max_tokens",
        "Max tokens",
        512,
        1,
        32768,
        1,
        None,
        True,
        "The longest reply, in tokens. This much of the context is reserved for it.",
    ),
    SamplingParam(
        "min_p", "Min-p", 0.0, 0.0, 1.0, 0.01, 0.0, False, "Drop tokens less likely than this share of the likeliest one. 0 is off."
    ),
    SamplingParam(
        "repetition_penalty",
        "Repetition penalty",
        1.0,
        0.5,
        2.0,
        0.05,
        1.0,
        False,
        "Above 1 makes tokens that already occurred less likely. 1 is off.",
    ),
)
"""The numeric settings. `seed` and `stop` are not sliders and are validated by Sampling itself."""

MAX_STOP_STRINGS = 16
MAX_SEED = 2**32 - 1
LONGEST_SHOWN = 40


@dataclass(frozen=True)
class Sampling:
    """How one reply is drawn. Validated on creation; raises ChatError with the limits."""

    temperature: float = 0.7
    top_p: float = 0.95
    top_k: int = 50
    max_tokens: int = 512
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for knob in SAMPLING_PARAMS:
            _check_number(knob, value := getattr(self, knob.name))
            object.__setattr__(self, knob.name, type(knob.default)(value))  # a slider says 1 for 1.0; a record says one of them
        whole = isinstance(self.seed, int) and not isinstance(self.seed, bool)
        if self.seed is not None and not (whole and 0 <= self.seed <= MAX_SEED):
            raise ChatError(f"Seed is {shortened(self.seed)}; it must be empty or a whole number from 0 to {MAX_SEED}.", status=422)
        if not isinstance(self.stop, list | tuple) or not all(isinstance(s, str) and s for s in self.stop):
            raise ChatError("Stop strings must be a list of texts, none of them empty.", status=422)
        if len(self.stop) > MAX_STOP_STRINGS:
            raise ChatError(f"{len(self.stop)} stop strings were given; at most {MAX_STOP_STRINGS} are allowed.", status=422)
        object.__setattr__(self, "stop", tuple(self.stop))

    @property
    def greedy(self) -> bool:
        return self.temperature == 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From loose values (a form, JSON): None means the default, an unknown name is an error."""
        known = [f.name for f in fields(cls)]
        for name in values:
            if name not in known:
                raise ChatError(f"There is no sampling setting named {name!r}.{closest(name, known)}", status=422)
        return cls(**{name: value for name, value in values.items() if value is not None})


def shortened(value: Any) -> str:
    """A value as a sentence can hold it."""
    said = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "too large"
    return said if len(said) <= LONGEST_SHOWN else f"{said[:LONGEST_SHOWN]}…"


def _check_number(knob: SamplingParam, value: Any) -> None:
    whole = isinstance(knob.default, int)
    kind = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not knob.minimum <= value <= knob.maximum:
        noun = "a whole number" if whole else "a number"
        raise ChatError(f"{knob.label} is {shortened(value)}; it must be {noun} from {knob.minimum:g} to {knob.maximum:g}.", status=422)
