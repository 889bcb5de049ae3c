"""Everything the server answers beside the pages."""

from starlette.routing import Route

from chatapp.chat.service import Chat
from chatapp.resident.manager import ModelManager
from chatapp.server import closed, health, session
from chatapp.server.openai import api as openai_api
from chatapp.settings import Settings


def routes(chat: Chat, models: ModelManager, settings: Settings) -> list[Route]:
    """For launch(app_kwargs={"routes": …})."""
    return [
        *closed.routes(),
        *session.routes(),
        *health.routes(models),
        *openai_api.routes(chat, models, settings),
    ]
