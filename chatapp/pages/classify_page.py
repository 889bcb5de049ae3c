"""Classify: a text → tokens → logits → softmax → label, number by number, which words decided, and tables measured."""

from chatapp.lab.classify.begun import Trainings
from chatapp.lab.classify.service import ClassifyService
from chatapp.pages.classify_actions import ClassifyActions
from chatapp.pages.shell import Page
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector

EXAMPLE = "The plot is thin, but the two leads are so warm and funny that I left the cinema smiling."

BODY = f"""
<div id="classify">
  <p class="k-lead">A classifier reads a text and gives each label a number, its logit. The softmax makes probabilities of them.
  Here every number on the way is shown, and which words the label hangs on.</p>
  <form id="k-form">
    <textarea name="text" rows="3" aria-label="A text" spellcheck="false" dir="auto">{EXAMPLE}</textarea>
    <div class="k-line">
      <label>Classifier<select name="model"></select></label>
      <button type="submit" class="act primary">Classify</button>
      <output id="k-count"></output>
    </div>
    <p id="k-card" class="k-hint"></p>
  </form>
  <div id="k-status" role="status" hidden></div>
  <div id="k-body"></div>
  <div id="k-more"></div>
</div>"""

PAGE = Page("Classify", "classify", "tag", BODY, styles=("sheet.css", "classify.css"), scripts=("classify.js",))


def add(door: Door, models: ModelManager, settings: Settings, inspector: Inspector) -> None:
    """Hang the page on the door. The inspector is that of X-ray: its thread."""
    actions = ClassifyActions(settings, ClassifyService(inspector, settings), Trainings(models.tasks, settings))
    door.actions |= {"classify": actions.listed, "classify-train": actions.train}
    door.streams |= {"classify-look": actions.look, "classify-table": actions.table}
