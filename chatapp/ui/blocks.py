"""Assembles the page and what launch() needs to show it."""

import json
from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.queueing import Queue

from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.settings import Settings
from chatapp.turn import KNOBS
from chatapp.ui import api_endpoint, panel, theme, widgets, xray_page
from chatapp.ui.chat_page import ChatPage
from chatapp.ui.sidebar import Sidebar

LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
]
"""Without single dollars: they would eat prices."""

LOOK_FOR_EVENTS, LOOK_WHILE_WRITING, LOOK_FOR_PROGRESS = 0.02, 0.1, 1.0
"""Seconds between two looks of Gradio's queue; gr.Progress, which the last is for, is not used."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
KEEP_KNOBS = "(...values) => [values]"
GIVE_KNOBS = "(kept) => kept"


class Page(gr.Blocks):
    """Blocks in which an event with too few values is answered in words; Gradio prints a traceback and answers nothing."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        if (given := len(inputs)) < (needed := len(block_fn.inputs)):
            raise gr.Error(f"The page sent {given} values where {needed} are needed. Reload the page.", print_exception=False)


def build(chat: Chat, resident: Resident, settings: Settings) -> gr.Blocks:
    """The whole page. Nothing here waits for the model."""
    side = Sidebar(chat)
    page = ChatPage(chat, resident, side)
    with Page(title=widgets.NAME, fill_height=True, fill_width=True, analytics_enabled=False) as demo:
        wires = {
            "rail": widgets.wire("rail", "act", {}),
            "side": widgets.wire("side", "manage", {}),
            "meter": widgets.wire("meter", "measure", {}),
            "status": widgets.wire("status", "look", panel.status(resident)),
        }
        with gr.Row(elem_id="shell"):
            with gr.Column(elem_id="left"):
                widgets.static(widgets.sidebar(), "side")
            with gr.Column(elem_id="main"):
                widgets.static(widgets.header(), "top")
                bot = transcript()
                widgets.static(widgets.empty(), "empty")
                widgets.static(widgets.composer(), "bottom")
            with gr.Column(elem_id="right"):
                widgets.static(widgets.panel_head(), "panel-head")
                knobs = panel.build()
        xray_page.place(xray_page.DRAWER)
        api_endpoint.add(chat)
        connect(demo, page, side, wires, bot, knobs)
    xray_page.build_page(demo)
    calm_queue(demo, chat)
    return demo


def transcript() -> gr.Chatbot:
    """Markdown, code, LaTeX, folded reasoning, sanitised HTML. Code-like <tags> stay visible."""
    return gr.Chatbot(
        elem_id="bot",
        show_label=False,
        label="Conversation",
        container=False,
        height="100%",
        layout="panel",
        buttons=["copy"],
        feedback_options=None,
        latex_delimiters=LATEX,
        reasoning_tags=[("<think>", "</think>")],
        sanitize_html=True,
        allow_tags=True,
        autoscroll=True,
    )


def connect(demo: gr.Blocks, page: ChatPage, side: Sidebar, wires: dict[str, gr.HTML], bot: gr.Chatbot, knobs: panel.Panel) -> None:
    """Events. Those that draw may run many times in one tab: the newest wins (ChatPage.take_over).

    No unload event: for that, Gradio would keep a connection of every tab.
    """
    outputs = [wires["rail"], bot, wires["side"], knobs.system]
    many: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
    wires["rail"].act(page.act, knobs.inputs, outputs, **many)
    wires["side"].manage(side.manage, None, wires["side"], **many)
    wires["meter"].measure(page.measure, knobs.inputs, wires["meter"], **{**QUIET, "trigger_mode": "always_last"})
    wires["status"].look(page.watch_model, None, [wires["status"], *knobs.settings], **QUIET)
    knobs.preset.input(None, knobs.preset, knobs.system, js=f"(name) => ({json.dumps(panel.PRESETS)})[name]", **QUIET)
    remember(demo, knobs)


def remember(demo: gr.Blocks, knobs: panel.Panel) -> None:
    """The sliders of this browser, kept in it; no trip to the server. The secret only has to stay the same: nothing here is secret."""
    kept = gr.BrowserState([knob.default for knob in KNOBS], storage_key="chatapp.knobs", secret="knobs")
    for knob in knobs.knobs:
        knob.release(None, knobs.knobs, kept, js=KEEP_KNOBS, **QUIET)
    demo.load(None, kept, knobs.knobs, js=GIVE_KNOBS, **QUIET)


class CalmQueue(Queue):
    """Gradio's queue looks for events a thousand times a second, each time interrupting a model that runs on the same cores.

    Together these looks took a tenth of its speed; fifty a second still took 0.9 %.
    """

    writing: Callable[[], bool]

    @property
    def sleep_when_free(self) -> float:
        return LOOK_WHILE_WRITING if self.writing() else LOOK_FOR_EVENTS


def calm_queue(demo: gr.Blocks, chat: Chat) -> None:
    """Gradio's queue without limits, as Chat has its own, and calmer."""
    demo.queue(default_concurrency_limit=None, max_size=None)
    demo._queue.__class__ = CalmQueue  # Blocks makes its own and takes no other
    demo._queue.writing = chat.writing
    demo._queue.progress_update_sleep_when_free = LOOK_FOR_PROGRESS


def launch_options(settings: Settings) -> dict[str, Any]:
    """Look, script and switches for launch(): nothing fetched, nothing reported, no server-side rendering."""
    return {
        "theme": theme.theme(),
        "head": theme.head(),
        "favicon_path": theme.ASSETS / "favicon.svg",
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "ssr_mode": False,
        "pwa": False,
        "quiet": True,
        "max_file_size": "1mb",
        "max_threads": 2048,  # not threads but running events, and every tab in use has one or two
    }
