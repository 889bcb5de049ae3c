"""Models: what is loaded, what is on this machine, what can be had from the Hub; each model explained before anything is fetched."""

from chatapp.pages.models_actions import ModelsActions
from chatapp.pages.shell import Page, button
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings

BODY = f"""
<div id="overview">
  <p id="refused" class="remark" hidden></p>
  <section aria-labelledby="loaded-head">
    <h2 id="loaded-head">Loaded</h2>
    <div id="loaded" aria-live="polite"></div>
  </section>
  <section aria-labelledby="here-head" id="here-part">
    <h2 id="here-head">On this machine <small id="disk"></small></h2>
    <ul id="here" class="models"></ul>
  </section>
</div>
<article id="one" aria-labelledby="one-name" hidden>
  {button("models-back", "Back to all models", "left", text="All models")}
  <h2 id="one-name" tabindex="-1"></h2>
  <div id="one-head"></div>
  <div id="one-tabs" role="tablist" aria-label="About this model"></div>
  <div id="one-body" role="tabpanel" tabindex="0"></div>
</article>"""

PAGE = Page("Models", "models", "cube", BODY, styles=("models.css",), scripts=("models.js",))


def add(door: Door, models: ModelManager, settings: Settings) -> None:
    """Hang the page on the door."""
    actions = ModelsActions(models, settings)
    door.actions |= {"models": actions.overview, "models-load": actions.load}
