"""Models: what is loaded, what is on this machine, what can be had from the Hub; each model explained before anything is fetched."""

from chatapp.models.accounts import Accounts
from chatapp.models.downloads import Downloads
from chatapp.pages.models_actions import ModelsActions
from chatapp.pages.models_hub import HubActions
from chatapp.pages.models_saving import Saving
from chatapp.pages.shell import Page, button
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.store import Store

TASKS = {
    "text-generation": "writes text",
    "image-text-to-text": "reads pictures, writes text",
    "text-classification": "classifies text",
    "sentence-similarity": "compares sentences",
    "fill-mask": "fills gaps",
    "": "any task",
}
LIBRARY = {"transformers": "safetensors", "gguf": "GGUF", "": "any form"}
SIZES = {"": "any size", "200M": "up to 200 M", "600M": "up to 600 M", "1.5B": "up to 1.5 B", "4B": "up to 4 B", "9B": "up to 9 B"}
ORDERS = {"trending": "trending", "downloads": "most downloads", "likes": "most likes", "new": "newest"}


def choice(name: str, label: str, options: dict[str, str]) -> str:
    made = "".join(f'<option value="{value}">{words}</option>' for value, words in options.items())
    return f'<label>{label}<select name="{name}">{made}</select></label>'


def search() -> str:
    """The form. Its words are the Hub's own names, its choices what this app can do something with."""
    return f"""
<form id="search-hub" role="search">
  <div class="line">
    <input type="search" name="text" aria-label="Search the Hub, or paste the address of a model's page, or of a server"
      placeholder="Search, or paste org/name, a page's or a server's address" autocomplete="off" spellcheck="false">
    <button type="submit" class="act">Search</button>
  </div>
  <details><summary>Narrow down</summary><div class="narrow">
    {choice("task", "Task", TASKS)}{choice("library", "Form", LIBRARY)}
    {choice("most", "Parameters", SIZES)}{choice("sort", "Order", ORDERS)}
    <label>Trained on<input name="dataset" placeholder="a dataset: org/name" autocomplete="off" spellcheck="false"></label>
  </div></details>
</form>"""


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
  <section aria-labelledby="hub-head">
    <h2 id="hub-head">From the Hub</h2>
    {search()}
    <div id="found" aria-live="polite"></div>
    <div id="account-line"></div>
  </section>
</div>
<article id="one" aria-labelledby="one-name" hidden>
  {button("models-back", "Back to all models", "left", text="All models")}
  <h2 id="one-name" tabindex="-1"></h2>
  <div id="one-head"></div>
  <div id="one-tabs" role="tablist" aria-label="About this model"></div>
  <div id="one-body" role="tabpanel" tabindex="0"></div>
</article>"""

PAGE = Page(
    "Models",
    "models",
    "cube",
    BODY,
    styles=("sheet.css", "models.css", "models-files.css", "models-parts.css"),
    scripts=("models.js", "models-files.js"),
)


def add(door: Door, models: ModelManager, settings: Settings, store: Store, accounts: Accounts, *, signs: bool) -> None:
    """Hang the page on the door. `signs`: visitors can sign in with Hugging Face."""
    downloads = Downloads(models.tasks)
    actions = ModelsActions(models, settings, downloads, store)
    hub = HubActions(actions, downloads, accounts, signs=signs)
    door.actions |= {"models": actions.overview, "models-own": actions.own, "models-load": actions.load, "models-unload": actions.unload}
    door.actions |= {"models-delete": actions.delete, "models-save": Saving(actions).save}
    door.actions |= {"models-search": hub.search, "models-card": hub.card, "models-download": hub.download}
    door.actions |= {"models-account": hub.account, "models-token": hub.token, "models-signout": hub.sign_out}
