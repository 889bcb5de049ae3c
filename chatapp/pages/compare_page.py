"""Compare: prompts × columns, answered side by side, and what made the difference. The drawing is in assets/compare*.js."""

from starlette.routing import Route

from chatapp.chat.service import Chat
from chatapp.lab.kept import Runs
from chatapp.pages import compare_files
from chatapp.pages.compare_across import AcrossActions
from chatapp.pages.compare_actions import CompareActions
from chatapp.pages.shell import Page
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.xray.inspector import Inspector

BODY = '<div id="compare" aria-live="off"></div>'

PAGE = Page("Compare", "compare", "columns", BODY, styles=("sheet.css", "compare.css"), scripts=("compare.js",))


def add(door: Door, chat: Chat, models: ModelManager, settings: Settings, runs: Runs, inspector: Inspector) -> list[Route]:
    """Hang the page on the door; the routes of its files."""
    runs.inspector = inspector
    actions = CompareActions(chat, models, settings, runs)
    door.actions |= {
        "compare": actions.home,
        "compare-open": actions.open,
        "compare-of": actions.of_turn,
        "compare-grid": actions.grid,
        "compare-begin": actions.begin,
        "compare-do": actions.do,
        "compare-chat": actions.go_on_as_chat,
    }
    door.streams |= {"compare-watch": actions.watch, "compare-across": AcrossActions(runs, inspector).look}
    return compare_files.routes(runs)
