"""Everything the app answers beside Gradio's own pages and events."""

from starlette.routing import Route

from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.settings import Settings
from chatapp.ui import actions, assets, files, watch
from chatapp.web import routes as programs
from chatapp.web.door import Door


def routes(chat: Chat, resident: Resident, settings: Settings) -> list[Route]:
    """For launch(app_kwargs={"routes": …})."""
    door = Door()
    actions.add(door, chat)
    watch.add(door, chat, resident)
    return [*programs.routes(chat, resident, settings), *files.routes(chat.store), *door.routes(), *assets.routes()]
