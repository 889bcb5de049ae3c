"""The chat: conversations on the left, transcript and box in the middle, settings on the right. The drawing is in assets/*.js."""

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from chatapp.pages import panel, shell, widgets, xray_page
from chatapp.sampling import SAMPLING_PARAMS

PAGE = shell.Page("Chat", "", "chat")

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def place(demo: gr.Blocks, pages: Sequence[shell.Page]) -> None:
    """Inside `demo`, which is being built: the shell with the chat in it."""
    with gr.Row(elem_id="shell"):
        with gr.Column(elem_id="left"):
            widgets.static(shell.sidebar(pages, PAGE.path, widgets.conversations(), widgets.all_conversations()), "side")
        with gr.Column(elem_id="main"):
            widgets.static(widgets.header(), "top")
            widgets.static(widgets.transcript(), "transcript")
            widgets.static(widgets.empty(), "empty")
            widgets.static(widgets.composer() + shell.overlays(), "bottom", "chatapp.begin()")
        with gr.Column(elem_id="right"):
            widgets.static(widgets.panel_head(), "panel-head")
            presets = panel.build()
    xray_page.place(xray_page.DRAWER)
    connect(demo, presets)


def connect(demo: gr.Blocks, preset: gr.Dropdown) -> None:
    """What happens in the browser alone: a preset's text, and the sliders that an earlier version kept by position."""
    preset.input(None, preset, None, js=f"(name) => chatapp.settings.preset(name, ({json.dumps(panel.PRESETS)})[name])", **QUIET)
    kept = gr.BrowserState([knob.default for knob in SAMPLING_PARAMS], storage_key="chatapp.knobs", secret="knobs")
    demo.load(None, kept, None, js="(values) => chatapp.settings.adopt(values)", **QUIET)
