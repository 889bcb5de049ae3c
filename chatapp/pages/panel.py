"""The right panel: system prompt with presets, and the sampling settings, all from sampling.SAMPLING_PARAMS; the state of the model."""

from html import escape
from typing import Any

from chatapp.engines.base import Capabilities
from chatapp.models.identity import labels
from chatapp.pages import shell, view
from chatapp.pages.protocol import Known
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.sampling import MAX_SEED, SAMPLING_PARAMS, SamplingParam

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


def panel() -> str:
    """The settings as markup, which assets/settings.js and presets.js fill and read."""
    basic = "".join(knob(param) for param in SAMPLING_PARAMS if param.basic)
    more = "".join(knob(param) for param in SAMPLING_PARAMS if not param.basic)
    return f"""
<section aria-labelledby="system-head">
  <h3 id="system-head">System prompt <small>for this chat</small></h3>
  {presets()}
  <div id="system"><textarea rows="5" dir="auto" aria-labelledby="system-head" placeholder="{escape(EMPTY_SYSTEM)}"></textarea></div>
</section>
<section aria-labelledby="sampling-head">
  <h3 id="sampling-head">Sampling <small>for all chats, in this browser</small></h3>
  {basic}
</section>
<div id="more-head">{shell.button("fold-more", "More settings", "right", text="More", extra='aria-controls="more"')}</div>
<div id="more">
  {more}
  <h3>Seed and stop strings <small>for this chat</small></h3>
  <div id="seed" class="knob">
    <label for="seed-text">Seed</label>
    <input type="text" id="seed-text" inputmode="numeric" placeholder="random" autocomplete="off" aria-describedby="seed-help">
    <p id="seed-help" class="help">A whole number up to {MAX_SEED:,} repeats the same reply. Empty: each reply is drawn anew.</p>
  </div>
  <div id="stop-strings" class="knob">
    <label for="stop-text">Stop strings</label>
    <textarea id="stop-text" rows="2" aria-describedby="stop-help"></textarea>
    <p id="stop-help" class="help">One per line; \\n stands for a line break.</p>
  </div>
</div>"""


def presets() -> str:
    """The choice of a system prompt. What the script adds: presets of one's own, and "Custom" for a text that is none of them."""
    options = "".join(f'<option value="{name}" data-text="{escape(text)}">{name}</option>' for name, text in PRESETS.items())
    return f"""
<div class="presets">
  <select id="preset" aria-label="Preset">
    <option value="" hidden>Custom</option>{options}<optgroup label="Yours" hidden></optgroup>
  </select>
  {shell.button("presets", "Presets of your own", "more", extra='aria-haspopup="menu"')}
</div>
<form id="preset-form" hidden>
  <input type="text" maxlength="40" aria-label="Name of the preset" placeholder="Name of the preset" autocomplete="off">
  <button type="submit" class="primary">Save</button>
  {shell.button("preset-cancel", "Cancel", "close")}
</form>"""


def knob(param: SamplingParam) -> str:
    """One setting as the registry describes it: exact in the box, by hand on the slider."""
    limits = f'min="{param.minimum:g}" max="{param.maximum:g}" step="{param.step:g}"'
    name = param.name
    return f"""
<div id="knob-{name}" class="knob" data-name="{name}">
  <div class="head">
    <label for="value-{name}">{param.label}</label>
    {shell.button("reset-knob", f"Back to {param.default:g}", "undo", kind="quiet reset", extra="hidden")}
    <input type="number" id="value-{name}" value="{param.default:g}" {limits} aria-describedby="help-{name}" autocomplete="off">
  </div>
  <input type="range" aria-label="{param.label}, slider" {limits}>
  <p id="help-{name}" class="help">{param.help}</p>
</div>"""


def limits(capabilities: Capabilities) -> dict[str, Any]:
    """What the engine cannot do, with its reasons, and where max tokens end."""
    return {"off": dict(capabilities.off), "context": capabilities.context}


def known(models: ModelManager) -> list[Known]:
    """The models to choose from; those of one name are told apart by as much of their ids as that takes."""
    names = {slot.id: slot.known.model if slot.remote and slot.known else slot.id for slot in models.slots()}
    shown = labels(list(names.values()))
    return [Known(slot.id, shown[names[slot.id]], slot.state, slot.error or words(slot), slot.step.share) for slot in models.slots()]


def words(slot: ModelSlot) -> str:
    """What it is doing; of one that another server runs, and that is ready, who answers."""
    return f"Answered by {slot.info.device}" if slot.remote and slot.state == "ready" else slot.step.words


def memory(slot: ModelSlot) -> list[str]:
    """What was forecast for it, with its context full; what it takes now, the page Models says, which asks less often."""
    return [str(slot.held)] if slot.held else []


def status(slot: ModelSlot) -> dict[str, Any]:
    """The model as the page shows it: state, progress 0..1 or None, and the card once it is there."""
    step = slot.step
    shown: dict[str, Any] = {"state": slot.state, "id": slot.id, "detail": step.words, "progress": step.share, "error": slot.error}
    if slot.state != "ready":
        return shown
    engine = slot.engine
    pieces = [list(piece) for piece in engine.tokens.pieces(HEADLINE)] if engine.tokens else []
    info = engine.info
    named = {
        "model": info.model,
        "short": info.model.split("/")[-1],
        "facts": [*view.model_facts(info), *memory(slot)],
        "why": info.dtype_reason,
    }
    named["remote"] = slot.remote
    return {**shown, **named, "context": f"{info.context:,} tokens", "headline": pieces, "limits": limits(engine.capabilities)}
