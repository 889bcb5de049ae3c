"""Everything the app answers beside Gradio's own pages and events."""

from typing import Any

from starlette.middleware import Middleware
from starlette.routing import Route

from chatapp.chat.service import Chat
from chatapp.lab.kept import Runs
from chatapp.lab.train.runs import Runs as Trainings
from chatapp.models.accounts import Accounts
from chatapp.models.sign_in import SignIns, provider
from chatapp.pages import (
    about_page,
    actions,
    assets,
    classify_page,
    code_actions,
    compare_page,
    files_actions,
    login_page,
    models_page,
    shell,
    shell_actions,
    text_page,
    train_page,
    watch,
    xray_page,
)
from chatapp.pages.gradio_head import Head
from chatapp.pages.misread import Told, handlers
from chatapp.pages.site import PAGES
from chatapp.resident.manager import ModelManager
from chatapp.server import files, pdf, security, space_login
from chatapp.server import routes as programs
from chatapp.server.door import Door
from chatapp.settings import Settings
from chatapp.xray.service import XrayService


def app_options(chat: Chat, models: ModelManager, settings: Settings, runs: Runs, trainings: Trainings) -> dict[str, Any]:
    """For launch(app_kwargs=…)."""
    return {"routes": routes(chat, models, settings, runs, trainings), "middleware": middleware(settings), "exception_handlers": handlers()}


def routes(chat: Chat, models: ModelManager, settings: Settings, runs: Runs, trainings: Trainings) -> list[Route]:
    """What is answered, and by whom."""
    door = Door()
    actions.add(door, chat, runs.erase)
    watch.add(door, chat, models)
    shell_actions.add(door, models.tasks, settings)
    about_page.add(door, models, settings)
    accounts, space = Accounts(), provider()
    models_page.add(door, models, settings, chat.store, accounts, signs=space is not None)
    files_actions.add(door, models, settings)
    xray = XrayService(chat, models)
    xray_page.add(door, xray)
    text_page.add(door, models, settings, xray.inspector)
    classify_page.add(door, models, settings, xray.inspector)
    compared = compare_page.add(door, chat, models, settings, runs, xray.inspector)
    code_actions.add(door, chat, settings, runs)
    trained = train_page.add(door, chat.store, models, settings, trainings, xray.inspector)
    pages = [*shell.routes(PAGES), *assets.routes()]
    signing = space_login.routes(SignIns(space, accounts) if space else None)
    return [
        *programs.routes(chat, models, settings),
        *files.routes(chat.store),
        *pdf.routes(),
        *signing,
        *compared,
        *trained,
        *door.routes(),
        *pages,
    ]


def middleware(settings: Settings) -> list[Middleware]:
    """What is around everything, then the login page, then what mends Gradio's pages and streams."""
    return [*security.middleware(settings), *login_page.middleware(settings), Middleware(Head), Middleware(Told)]
