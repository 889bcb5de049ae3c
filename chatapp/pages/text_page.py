"""Any text: pasted, without a chat, through one model or two: how each cuts it, and what it does with it layer by layer."""

from chatapp.pages.shell import Page
from chatapp.pages.text_actions import TextActions
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector
from chatapp.xray.text.service import TextService

EXAMPLE = "The animal didn't cross the street because it was too tired 😀. It had walked 3.14 km to a naïve café."

BODY = f"""
<div id="xray">
  <form id="text-form">
    <textarea name="text" rows="3" aria-label="A text" spellcheck="false">{EXAMPLE}</textarea>
    <div class="fields">
      <label>Model<select name="one"></select></label>
      <label>beside<select name="other"></select></label>
      <button type="submit" class="primary">Look</button>
      <output id="text-count" class="count"></output>
    </div>
    <p id="text-remark" class="x-fact" hidden></p>
  </form>
  <div id="text-tabs" class="x-tabs" role="tablist" aria-label="Views"></div>
  <h2 id="text-view" class="off-screen">Tokens</h2>
  <p id="text-about" class="hint"></p>
  <div id="text-status" class="status" role="status" hidden></div>
  <div id="text-body" role="tabpanel" tabindex="0"></div>
</div>"""

PAGE = Page(
    "Any text",
    "text",
    "text",
    BODY,
    styles=("sheet.css", "xray.css", "text.css"),
    scripts=("text.js", "xray-parts.js", "text-views.js"),
)


def add(door: Door, models: ModelManager, settings: Settings, inspector: Inspector) -> None:
    """Hang the page on the door. The inspector is that of X-ray: its thread, and the models that it has prepared."""
    actions = TextActions(models, settings, TextService(inspector))
    door.actions |= {"text": actions.listed, "text-tokens": actions.tokens}
    door.streams["text-look"] = actions.look
