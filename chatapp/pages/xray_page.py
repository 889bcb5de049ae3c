"""X-ray's place in the page. It asks by itself, over /xray/look (chatapp/server/xray_stream.py); the drawing is in assets/xray*.js."""

import gradio as gr

DRAWER = '<aside id="xray" aria-label="X-ray of a reply"><div id="xray-root"></div></aside>'
WHOLE = '<main id="xray" class="whole"><div id="xray-root"></div></main>'


def place(markup: str) -> None:
    """Where X-ray draws, inside a page being built."""
    gr.HTML(markup, elem_id="xray-place", apply_default_css=False, js_on_load="chatapp.xray.begin()")


def build_page(demo: gr.Blocks) -> None:
    """The page /xray?turn=…: X-ray alone, over the whole width."""
    with demo.route("X-ray", "/xray"):
        place(WHOLE)
