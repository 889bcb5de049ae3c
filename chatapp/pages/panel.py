"""The right panel: system prompt with presets, and the sampling settings, all from sampling.SAMPLING_PARAMS; the state of the model."""

from typing import Any

import gradio as gr

from chatapp.engines.base import Capabilities
from chatapp.pages import shell, view, widgets
from chatapp.resident.slot import Resident
from chatapp.sampling import SAMPLING_PARAMS, SamplingParam

PRESETS = {
    "None": "",
    "Helpful": "You are a helpful assistant. Answer directly and honestly; say so when you are not sure.",
    "Brief": "Answer in at most three sentences. No preamble, no summary.",
    "Teacher": "You are a patient teacher. Explain step by step with a small example. End with a question that checks understanding.",
    "Programmer": "You are an experienced programmer. Give working code first, then one short paragraph on why it is written that way.",
    "Translator": "Translate what the user writes into English. If it is English, translate it into German. Give only the translation.",
    "Editor": "Improve the user's text: clearer, shorter, same meaning and tone. Give the improved text, then list the changes.",
}

EMPTY_SYSTEM = (
    "How the model should behave. Empty: nothing of yours is added; some models' templates then add a prompt of their own (X-ray shows it)."
)

HEADLINE = "What would you like to know?"


def build() -> gr.Dropdown:
    """Inside a Blocks context: make the fields, which the page's script reads. Returns the presets."""
    preset = gr.Dropdown(list(PRESETS), value="None", label="Preset", elem_id="preset", filterable=False)
    gr.Textbox(label="System prompt", lines=4, max_lines=12, placeholder=EMPTY_SYSTEM, elem_id="system")
    for param in (param for param in SAMPLING_PARAMS if param.basic):
        slider(param)
    # Not a gr.Accordion: that makes its children when it is opened first, and resets what was typed into them at once.
    widgets.static(shell.button("fold-more", "More settings", "right", text="More", extra='aria-controls="more"'), "more-head")
    with gr.Column(elem_id="more"):
        for param in (param for param in SAMPLING_PARAMS if not param.basic):
            slider(param)
        gr.Textbox(label="Seed", placeholder="random", info="A whole number repeats the same reply.", elem_id="seed", max_lines=1)
        gr.Textbox(label="Stop strings", lines=2, info="One per line; \\n stands for a line break.", elem_id="stop-strings")
    return preset


def slider(param: SamplingParam) -> gr.Slider:
    """One setting as the registry describes it."""
    return gr.Slider(
        param.minimum, param.maximum, param.default, step=param.step, label=param.label, info=param.help, elem_id=f"knob-{param.name}"
    )


def limits(capabilities: Capabilities) -> dict[str, Any]:
    """What the engine cannot do, with its reasons, and where max tokens end."""
    return {"off": dict(capabilities.off), "context": capabilities.context}


def status(resident: Resident) -> dict[str, Any]:
    """The model as the page shows it: state, progress 0..1 or None, and the card once it is there."""
    step = resident.step
    shown: dict[str, Any] = {"state": resident.state, "detail": step.words, "progress": step.share, "error": resident.error}
    if resident.state != "ready":
        return shown
    engine = resident.engine
    pieces = [list(piece) for piece in engine.tokens.pieces(HEADLINE)] if engine.tokens else []
    card = engine.card
    named = {"model": card.model, "short": card.model.split("/")[-1], "facts": view.card_facts(card), "why": card.dtype_reason}
    return {**shown, **named, "context": f"{card.context:,} tokens", "headline": pieces, "limits": limits(engine.capabilities)}
