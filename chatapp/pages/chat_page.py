"""The chat: conversations on the left, transcript and box in the middle, settings on the right. The drawing is in assets/*.js."""

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
            widgets.static(panel.panel(), "settings")
    xray_page.place(xray_page.DRAWER)
    adopt(demo)


def adopt(demo: gr.Blocks) -> None:
    """The sliders that an earlier version kept by position."""
    kept = gr.BrowserState([knob.default for knob in SAMPLING_PARAMS], storage_key="chatapp.knobs", secret="knobs")
    demo.load(None, kept, None, js="(values) => chatapp.settings.adopt(values)", **QUIET)
