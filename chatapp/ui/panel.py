"""The right panel: system prompt with presets, and the sampling settings, all from turn.KNOBS; the state of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from chatapp.engines.base import Capabilities
from chatapp.engines.resident import Resident
from chatapp.errors import ChatError
from chatapp.turn import KNOBS, MAX_SEED, Knob, Sampling
from chatapp.ui import view, widgets

PRESETS = {
    "None": "",
    "Helpful": "You are a helpful assistant. Answer directly and honestly; say so when you are not sure.",
    "Brief": "Answer in at most three sentences. No preamble, no summary.",
    "Teacher": "You are a patient teacher. Explain step by step with a small example. End with a question that checks understanding.",
    "Programmer": "You are an experienced programmer. Give working code first, then one short paragraph on why it is written that way.",
    "Translator": "Translate what the user writes into English. If it is English, translate it into German. Give only the translation.",
    "Editor": "Improve the user's text: clearer, shorter, same meaning and tone. Give the improved text, then list the changes.",
}

MOST_DIGITS = 40
"""Of a seed that is read at all; Python refuses to read thousands."""

HEADLINE = "What would you like to know?"


@dataclass
class Panel:
    """The panel's components. `inputs` is what every generating event receives: system prompt, knobs, seed, stop strings."""

    preset: gr.Dropdown
    system: gr.Textbox
    knobs: list[gr.Slider]
    seed: gr.Textbox
    stop: gr.Textbox

    @property
    def inputs(self) -> list[Any]:
        return [self.system, *self.settings]

    @property
    def settings(self) -> list[Any]:
        return [*self.knobs, self.seed, self.stop]


def build() -> Panel:
    """Inside a Blocks context: make the components."""
    preset = gr.Dropdown(list(PRESETS), value="None", label="Preset", elem_id="preset", filterable=False)
    system = gr.Textbox(
        label="System prompt", lines=4, max_lines=12, placeholder="How the model should behave. Empty: nothing is added.", elem_id="system"
    )
    basic = {knob.name: slider(knob) for knob in KNOBS if knob.basic}
    # Not a gr.Accordion: that makes its children when it is opened first, and resets what was typed into them at once.
    widgets.static(widgets.button("fold-more", "More settings", "right", text="More", extra='aria-controls="more"'), "more-head")
    with gr.Column(elem_id="more"):
        rest = {knob.name: slider(knob) for knob in KNOBS if not knob.basic}
        seed = gr.Textbox(label="Seed", placeholder="random", info="A whole number repeats the same reply.", elem_id="seed", max_lines=1)
        stop = gr.Textbox(label="Stop strings", lines=2, info="One per line; \\n stands for a line break.", elem_id="stop-strings")
    every = {**basic, **rest}
    return Panel(preset, system, [every[knob.name] for knob in KNOBS], seed, stop)


class Dial(gr.Slider):
    """A slider whose value comes in as it stands, for Sampling to judge: gr.Slider refuses one beyond a maximum that was lowered later

    (a model with a short context), and with it every event of the page, Stop included.
    """

    is_template = True

    def preprocess(self, payload: float) -> float:
        return payload


def slider(knob: Knob) -> Dial:
    """One setting as the registry describes it."""
    return Dial(knob.minimum, knob.maximum, knob.default, step=knob.step, label=knob.label, info=knob.help, elem_id=f"knob-{knob.name}")


def sampling(values: Sequence[Any]) -> Sampling:
    """The panel's values (knobs, seed, stop strings) as one Sampling. Raises ChatError with the limits."""
    *numbers, seed, stop = values
    loose: dict[str, Any] = {k.name: whole(k, value) for k, value in zip(KNOBS, numbers, strict=True) if value is not None}
    lines = (line.replace("\\n", "\n") for line in (stop or "").splitlines())
    return Sampling.of({**loose, "seed": seed_of(seed), "stop": tuple(line for line in lines if line)})


def whole(knob: Knob, value: Any) -> Any:
    """A slider may send 50.0 for a whole number."""
    return int(value) if isinstance(knob.default, int) and isinstance(value, float) and value.is_integer() else value


def seed_of(text: str | None) -> int | None:
    """'' → None. Raises ChatError for what is no whole number."""
    digits = (text or "").strip()
    if not digits:
        return None
    if not digits.isdecimal() or len(digits) > MOST_DIGITS:
        raise ChatError(f"Seed is {digits[:MOST_DIGITS]!r}; it must be empty or a whole number from 0 to {MAX_SEED}.", status=422)
    return int(digits)


def untouched() -> tuple[Any, ...]:
    """No change to any setting."""
    return tuple(gr.skip() for _ in range(len(KNOBS) + 2))


def limited(capabilities: Capabilities) -> tuple[Any, ...]:
    """Grey out what the engine cannot do, with its reason, and end max tokens where the context ends."""
    changes: list[Any] = []
    for knob in KNOBS:
        if not capabilities.has(knob.name):
            changes.append(gr.Slider(interactive=False, value=knob.off, info=f"Off: {capabilities.off[knob.name]}"))
        elif knob.name == "max_tokens":
            changes.append(gr.Slider(maximum=min(knob.maximum, max(1, capabilities.context))))
        else:
            changes.append(gr.skip())
    for name in ("seed", "stop"):
        off = capabilities.off.get(name)
        changes.append(gr.Textbox(interactive=False, value="", info=f"Off: {off}") if off else gr.skip())
    return tuple(changes)


def status(resident: Resident) -> dict[str, Any]:
    """The model as the page shows it: state, progress 0..1 or None, and the card once it is there."""
    shown: dict[str, Any] = {"state": resident.state, "detail": resident.detail, "progress": resident.progress, "error": resident.error}
    if resident.state != "ready":
        return shown
    engine = resident.engine
    pieces = [[engine.tokenizer.decode([token]), token] for token in engine.tokenizer.encode(HEADLINE, add_special_tokens=False)]
    return {**shown, "model": engine.card.model, "facts": view.card_facts(engine.card), "why": engine.card.dtype_reason, "headline": pieces}
