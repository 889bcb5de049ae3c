"""Our scripts and styles in Gradio's pages, written into their HTML.

launch(head=…) adds them with a script of Gradio's, when its own have run and the bare page has been seen; launch(css=…) puts Gradio's
container before each selector, and rules that begin at <body> would match nothing.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chatapp.pages.assets import META, tags

BASE = re.compile(r"<base [^>]*>")
"""Addresses below it are as it says, and Gradio's own scripts stand below it. Only Gradio's pages have one."""

STAND = "<script>chatapp.stand(window.gradio_config)</script>"
"""Gradio's frontend comes later: its scripts are modules, which wait until the HTML is read."""


def with_head(page: str) -> str:
    """Our scripts before Gradio's, our styles after Gradio's; at the end the page is made to stand (assets/standing.js)."""
    page = BASE.sub(lambda base: base[0] + META + tags(("chat.js",)), page, count=1)
    page = page.replace("</head>", tags(("chat.css",)) + "</head>", 1)
    return (STAND + "</body>").join(page.rsplit("</body>", 1))


class Head:
    """ASGI middleware around Gradio's pages. X-ray's bundles are left out: they come when it is opened."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        start: Message = {}

        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start" and html(message):
                start.update(message)  # it tells the length, so it waits
            elif start and message["type"] == "http.response.body":
                page = message["body"].decode()
                message["body"] = (with_head(page) if BASE.search(page) else page).encode()
                MutableHeaders(scope=start)["Content-Length"] = str(len(message["body"]))
                await send(start)
                await send(message)
            else:
                await send(message)

        await self.app(scope, receive, changed)


def html(start: Message) -> bool:
    """Is this the start of a page that comes in one piece? Those of unknown length come in several."""
    headers = Headers(raw=start["headers"])
    return headers.get("content-type", "").startswith("text/html") and "content-length" in headers
