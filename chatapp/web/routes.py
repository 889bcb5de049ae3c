"""Everything the server answers beside the pages."""

from starlette.routing import Route

from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.settings import Settings
from chatapp.web import closed, health, openai_api, xray_stream
from chatapp.xray.looks import Looks


def routes(chat: Chat, resident: Resident, settings: Settings) -> list[Route]:
    """For launch(app_kwargs={"routes": …})."""
    return [
        *closed.routes(),
        *health.routes(resident),
        *openai_api.routes(chat, resident, settings),
        *xray_stream.routes(Looks(chat, resident)),
    ]
