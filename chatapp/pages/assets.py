"""The page's scripts and styles, served as files whose names carry their hash, so that a browser keeps them for good."""

import hashlib
import json
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chatapp.sampling import SAMPLING_PARAMS

ASSETS = Path(__file__).resolve().parents[2] / "assets"
BUNDLES = {
    "page.css": (
        "base.css",
        "layout.css",
        "sidebar.css",
        "transcript.css",
        "welcome.css",
        "composer.css",
        "overlays.css",
        "settings.css",
        "markdown.css",
    ),
    "page.js": ("core.js", "chat.js", "transcript.js", "composer.js", "settings.js", "sidebar.js", "panel.js"),
    "xray.css": ("xray.css",),
    "xray.js": ("xray.js", "xray-tokens.js", "xray-pasted.js", "xray-attention.js", "xray-model.js"),
}
KINDS = {".css": "text/css", ".js": "text/javascript"}
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


def icons() -> dict[str, str]:
    """assets/icons by name, as inline SVG."""
    return {file.stem: file.read_text().strip() for file in sorted((ASSETS / "icons").glob("*.svg"))}


def sampling() -> list[dict[str, object]]:
    """The sampling settings, for the page's scripts."""
    names = ("name", "label", "default", "minimum", "maximum", "help", "basic")
    return [{name: getattr(knob, name) for name in names} for knob in SAMPLING_PARAMS]


@cache
def files() -> dict[str, bytes]:
    """Name with hash → content."""
    made = {}
    for bundle, parts in BUNDLES.items():
        text = "\n".join((ASSETS / part).read_text() for part in parts)
        if bundle == "page.js":
            text = f"window.chatapp = {json.dumps({'icons': icons(), 'sampling': sampling()})};\n{text}"
        content = text.encode()
        stem, _, suffix = bundle.partition(".")
        made[f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"] = content
    return made


def head() -> str:
    """The page's own style and scripts: there before any component loads.

    Not launch(css=…): Gradio would prefix each selector with its container, and rules that begin at <body> would match nothing.
    """
    tags = [f'<link rel="stylesheet" href="chatapp/{name}">' for name in files() if name.endswith(".css")]
    tags += [f'<script src="chatapp/{name}"></script>' for name in files() if name.endswith(".js")]
    return (
        '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
        '<meta name="color-scheme" content="light dark">' + "".join(tags)
    )


def routes() -> list[Route]:
    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files():
            return Response("There is no such file. Reload the page.\n", 404, media_type="text/plain")
        return Response(files()[name], headers=FOR_GOOD, media_type=KINDS[Path(name).suffix])

    return [Route("/chatapp/{name}", asset, include_in_schema=False)]
