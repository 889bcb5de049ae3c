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
  <p class="intro">A classifier reads a text and gives each label a number, its logit. The softmax makes probabilities of them.
  Here every number on the way is shown, and which words the label hangs on.</p>
  <form id="k-form">
    <textarea name="text" rows="3" aria-label="A text" spellcheck="false" dir="auto">{EXAMPLE}</textarea>
    <div class="fields">
      <label>Method and model<select name="model"></select></label>
      <button type="submit" class="act primary">Classify</button>
      <output id="k-count" class="count"></output>
    </div>
    <div id="k-zero" class="fields" hidden>
      <label>Labels, with commas between<input type="text" name="labels" autocomplete="off"></label>
      <label>Prompt, {{text}} stands for the text<textarea name="prompt" rows="2" spellcheck="false"></textarea></label>
    </div>
    <p id="k-card" class="hint"></p>
  </form>
  <details id="k-ways">
    <summary>Two ways to classify</summary>
    <div>
      <section><h3>A head that was trained</h3><p>A layer behind an encoder gives a logit for each label. It knows the labels that it was
      taught, and nothing else; it needs labelled texts, and is then small, quick and sure of its ground.</p></section>
      <section><h3>Zero-shot: the chat model's own words</h3>
      <p>The chat model reads a prompt with the text in it, and each label is as likely
      as its words are to go on from there. Any labels will do and nothing is trained; but the wording counts, and a label that is frequent
      anyway gets more than its share. So what it gets after a text without content is taken off: calibration.</p></section>
    </div>
  </details>
  <div id="k-status" class="status" role="status" hidden></div>
  <div id="k-body"></div>
  <div id="k-more"></div>
</div>"""

PAGE = Page("Classify", "classify", "tag", BODY, styles=("sheet.css", "classify.css"), scripts=("classify.js",))


def add(door: Door, models: ModelManager, settings: Settings, inspector: Inspector) -> None:
    """Hang the page on the door. The inspector is that of X-ray: its thread."""
    actions = ClassifyActions(settings, ClassifyService(inspector, settings), Trainings(models.tasks, settings))
    door.actions |= {"classify": actions.listed, "classify-train": actions.train}
    door.streams |= {"classify-look": actions.look, "classify-table": actions.table}
