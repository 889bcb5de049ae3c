"""Assembles Gradio's pages and what launch() needs to show them."""

from typing import Any

import gradio as gr

from chatapp.chat.service import Chat
from chatapp.pages import api_endpoint, chat_page, theme, xray_page
from chatapp.pages.assets import ASSETS, NAME
from chatapp.pages.site import PAGES

LOOK_FOR_EVENTS, LOOK_FOR_PROGRESS = 0.05, 1.0
"""Seconds between two looks of Gradio's queue, which only /chat goes through. By default it looks a thousand times a second, each time
interrupting a model that runs on the same cores: together a tenth of its speed. gr.Progress, which the last is for, is not used."""


class Page(gr.Blocks):
    """Blocks in which an event with too few values, or of the browser alone, is answered in words; Gradio prints a traceback."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        if block_fn.fn is None:
            raise gr.Error("The server has no part in this event. Reload the page.", print_exception=False)
        if block_fn.api_name == "chat":
            api_endpoint.complete(inputs)
        if (given := len(inputs)) < (needed := len(block_fn.inputs)):
            raise gr.Error(f"The page sent {given} values where {needed} are needed. Reload the page.", print_exception=False)


def build(chat: Chat) -> gr.Blocks:
    """Gradio's pages: the chat and X-ray. Nothing here waits for the model."""
    with Page(title=NAME, fill_height=True, fill_width=True, analytics_enabled=False) as demo:
        chat_page.place(PAGES)
        api_endpoint.add(chat)
    xray_page.build_page(demo)
    chat_page.build_earlier(demo)
    calm_queue(demo)
    return demo


def calm_queue(demo: gr.Blocks) -> None:
    """Gradio's queue, calmer. It has no limit of its own (api_endpoint.py): Chat has one."""
    demo._queue.sleep_when_free = LOOK_FOR_EVENTS
    demo._queue.progress_update_sleep_when_free = LOOK_FOR_PROGRESS


def launch_options() -> dict[str, Any]:
    """Look and switches for launch(): nothing fetched, nothing reported, no server-side rendering."""
    return {
        "theme": theme.theme(),
        "favicon_path": ASSETS / "favicon.svg",
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
