"""The chat: conversations on the left, transcript and box in the middle, settings on the right. The drawing is in assets/*.js."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from chatapp.pages import panel, shell, widgets, xray_page
from chatapp.sampling import SAMPLING_PARAMS

PAGE = shell.Page("Chat", "", "chat")

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}


def place(pages: Sequence[shell.Page]) -> None:
    """Inside Blocks that are being built: the shell with the chat in it, in one piece. Each component is files to fetch, and a wait."""
    gr.HTML(markup(pages), elem_id="page", apply_default_css=False, js_on_load="chatapp.mounted(element)")


def markup(pages: Sequence[shell.Page]) -> str:
    """It never changes: values come through the door, and assets/*.js draws them with textContent."""
    return f"""
<div id="shell">
<div id="left"><div id="side">{shell.sidebar(pages, PAGE.path, widgets.conversations(), widgets.all_conversations())}</div></div>
<div id="main">
<div id="top">{widgets.header()}</div>
<div id="transcript">{widgets.transcript()}</div>
<div id="empty">{widgets.empty()}</div>
<div id="bottom">{widgets.composer()}</div>
</div>
<div id="right">{widgets.panel_head()}<div id="settings">{panel.panel()}</div></div>
</div>
{shell.overlays()}
{xray_page.DRAWER}"""


def build_earlier(demo: gr.Blocks) -> None:
    """The page /earlier: reads what an earlier version kept in the browser, and hands it to the chat, which opens this page unseen.

    gr.BrowserState encrypts what it keeps, so it takes a library of 70 kB to read it: few browsers need it, and only once.
    """
    with demo.route("Earlier settings", "/earlier"):
        kept = gr.BrowserState([knob.default for knob in SAMPLING_PARAMS], storage_key="chatapp.knobs", secret="knobs")
        demo.load(None, kept, None, js="(values) => parent.chatapp.settings.adopt(values)", **QUIET)
