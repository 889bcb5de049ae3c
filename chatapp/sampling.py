"""Every sampling setting once: its name, label, range, default and meaning. Panel, /chat, /v1, X-ray and the records read them here.

A new setting is one more field of Sampling; an engine that has it names it among its `steps` (engines/base.py), in all others it is off.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

from chatapp.errors import ChatError, closest

MAX_STOP_STRINGS = 16
MAX_SEED = 2**32 - 1
LONGEST_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class SamplingParam:
    """One numeric setting: drives the slider, the validation, the fields of both APIs and what X-ray says.

    off      the value at which it does nothing
    kind     'scores': reweighs the tokens · 'filter': cuts some · 'length': ends the reply and leaves each draw as it is
    basic    always visible in the panel; the others stand under "More" and do nothing by default, as old records were made without them
    effect   what it does to the candidates, for X-ray; {value} is its value
    aliases  other names that /v1 takes for it; the last one given wins
    """

    name: str = ""
    label: str
    default: float
    minimum: float
    maximum: float
    step: float
    off: float | None
    kind: Literal["scores", "filter", "length"]
    basic: bool = False
    help: str
    effect: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return isinstance(self.default, int)

    def checked(self, value: Any) -> float:
        """`value` as records write it: a slider says 1 for 1.0. Raises ChatError with the limits."""
        kind = int if self.whole else int | float
        if isinstance(value, bool) or not isinstance(value, kind) or not self.minimum <= value <= self.maximum:
            noun = "a whole number" if self.whole else "a number"
            limits = f"it must be {noun} from {self.minimum:g} to {self.maximum:g}"
            raise ChatError(f"{self.label} is {shortened(value)}; {limits}.", status=422)
        return type(self.default)(value)


def _param(label: str, default: float, **known: Any) -> Any:
    return field(default=default, metadata={"param": SamplingParam(label=label, default=default, **known)})


@dataclass(frozen=True)
class Sampling:
    """How one reply is sampled. Validated on creation; raises ChatError with the limits."""

    temperature: float = _param(
        "Temperature",
        0.7,
        minimum=0.0,
        maximum=2.0,
        step=0.05,
        off=1.0,
        kind="scores",
        basic=True,
        help="0 always takes the most likely token; higher is more varied.",
        effect="Scores are divided by {value:g}",
    )
    top_p: float = _param(
        "Top-p",
        0.95,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        off=1.0,
        kind="filter",
        basic=True,
        help="Keep the likeliest tokens that together reach this probability. 1 is off.",
        effect="The likeliest tokens that together reach {value:g} stay",
    )
    top_k: int = _param(
        "Top-k",
        50,
        minimum=0,
        maximum=500,
        step=1,
        off=0,
        kind="filter",
        basic=True,
        help="Keep only the k likeliest tokens. 0 is off.",
        effect="Only the {value:g} likeliest tokens stay",
    )
    max_tokens: int = _param(
        "Max tokens",
        512,
        minimum=1,
        maximum=32768,
        step=1,
        off=None,
        kind="length",
        basic=True,
        help="The longest reply, in tokens. This much of the context is reserved for it.",
        aliases=("max_completion_tokens",),
    )
    min_p: float = _param(
        "Min-p",
        0.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        off=0.0,
        kind="filter",
        help="Drop tokens less likely than this share of the likeliest one. 0 is off.",
        effect="Tokens below {value:g} of the likeliest one's probability go",
    )
    repetition_penalty: float = _param(
        "Repetition penalty",
        1.0,
        minimum=0.5,
        maximum=2.0,
        step=0.05,
        off=1.0,
        kind="scores",
        help="Above 1 makes tokens that already occurred less likely. 1 is off.",
        effect="Scores of tokens that already stand in prompt or reply are weakened by {value:g}",
    )
    typical_p: float = _param(
        "Typical-p",
        1.0,
        minimum=0.01,
        maximum=1.0,
        step=0.01,
        off=1.0,
        kind="filter",
        help="Keep the tokens about as surprising as expected that together reach this probability. 1 is off.",
        effect="The tokens whose surprise is closest to the expected one and that together reach {value:g} stay",
    )
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for param in SAMPLING_PARAMS:
            object.__setattr__(self, param.name, param.checked(getattr(self, param.name)))
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

    def steps(self) -> dict[str, float]:
        """The settings that shape the distribution a token is drawn from, by name; length, seed and stop strings are left out."""
        return {param.name: getattr(self, param.name) for param in STEP_PARAMS}


SAMPLING_PARAMS: tuple[SamplingParam, ...] = tuple(
    replace(f.metadata["param"], name=f.name) for f in fields(Sampling) if "param" in f.metadata
)
"""The numeric settings, as the panel shows them. `seed` and `stop` are no sliders, and Sampling itself validates them."""

DEFAULTS = Sampling()

STEP_PARAMS = tuple(param for param in SAMPLING_PARAMS if param.kind != "length")


def shortened(value: Any) -> str:
    """A value as a sentence can hold it."""
    said = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "too large"
    return said if len(said) <= LONGEST_SHOWN else f"{said[:LONGEST_SHOWN]}…"
