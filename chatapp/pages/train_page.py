"""Train: a small GPT-2 trained on real text and looked into step by step; a chat model fine-tuned. The drawing is in assets/train*.js."""

from starlette.routing import Route

from chatapp.lab.train.runs import Runs
from chatapp.lab.train.snapshots import Snapshots
from chatapp.pages import train_files
from chatapp.pages.shell import Page
from chatapp.pages.train_actions import TrainActions
from chatapp.pages.train_beside import Beside
from chatapp.pages.tune_actions import TuneActions
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.xray.inspector import Inspector

BODY = '<div id="train"></div>'

PAGE = Page(
    "Train",
    "train",
    "train",
    BODY,
    styles=("sheet.css", "xray.css", "train.css"),
    scripts=("train.js", "xray-parts.js", "train-views.js"),
)


def add(door: Door, store: Store, models: ModelManager, settings: Settings, runs: Runs, inspector: Inspector) -> list[Route]:
    """Hang the page on the door; the route of its files. The inspector is that of X-ray: its thread."""
    actions = TrainActions(models, settings, runs, Snapshots(inspector, settings), Beside(store, runs))
    door.actions |= {
        "train": actions.home,
        "train-recipe": actions.recipe,
        "train-corpus": actions.corpus,
        "train-begin": actions.begin,
        "train-do": actions.do,
        "train-samples": actions.samples,
        "train-chat": actions.chat,
        "train-beside": actions.beside,
    }
    tuning = TuneActions(models, settings, runs, store)
    door.actions |= {"tune": tuning.home, "tune-read": tuning.read, "tune-begin": tuning.begin, "tune-beside": tuning.beside}
    door.streams |= {"train-plan": actions.plan, "train-watch": actions.watch, "train-look": actions.look}
    door.streams |= {"tune-plan": tuning.plan, "tune-merge": tuning.merge}
    return train_files.routes(settings)
