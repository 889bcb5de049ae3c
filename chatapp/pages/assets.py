"""The page's scripts and styles, served as files whose names carry their hash, so that a browser keeps them for good."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chatapp.sampling import SAMPLING_PARAMS
from chatapp.xray import registry, terms

NAME = "Chat"
"""What the app is called, on every page."""

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SHELL_STYLES = ("base.css", "layout.css", "sidebar.css", "overlays.css", "markdown.css", "shell.css", "tasks.css")
SHELL_SCRIPTS = ("core.js", "shell.js", "shell-keys.js", "shell-tasks.js")
BUNDLES = {
    "shell.css": SHELL_STYLES,
    "shell.js": SHELL_SCRIPTS,
    "chat.css": (*SHELL_STYLES, "transcript.css", "welcome.css", "composer.css", "picker.css", "settings.css", "drawer.css", "print.css"),
    "chat.js": (
        *SHELL_SCRIPTS,
        "gradio-frames.js",
        "viewed.js",
        "chat.js",
        "picker.js",
        "code.js",
        "under.js",
        "blocks.js",
        "attached.js",
        "transcript.js",
        "composer.js",
        "settings-values.js",
        "settings.js",
        "presets.js",
        "regenerate.js",
        "grouping.js",
        "sidebar.js",
        "transfer.js",
        "panel.js",
        "lazy-xray.js",
        "standing.js",
    ),
    "models.js": ("models.js", "models-here.js", "models-search.js", "models-account.js", "models-card.js"),
    "models-files.js": ("models-files.js", "models-file-parts.js", "models-tensors.js", "models-architecture.js", "models-diff.js"),
    "xray.css": ("xray.css", "xray-cells.css", "xray-drawing.css", "xray-views.css", "xray-terms.css", "xray-narrow.css"),
    "xray-parts.js": tuple(sorted(file.name for file in ASSETS.glob("xray-*.js"))),
    "compare.js": (
        "code.js",
        "compare-grid.js",
        "compare-form.js",
        "compare-columns.js",
        "compare-run.js",
        "compare-table.js",
        "compare-after.js",
        "compare-pictures.js",
        "compare-across.js",
        "compare.js",
    ),
    "classify.js": (
        "classify-steps.js",
        "classify-words.js",
        "classify-beside.js",
        "classify-table.js",
        "classify-train.js",
        "classify.js",
    ),
    "compare.css": ("compare.css", "compare-run.css", "compare-across.css", "plots.css", "compare-pictures.css"),
    "train.js": (
        "train-host.js",
        "train-plot.js",
        "train-words.js",
        "train-curves.js",
        "train-run.js",
        "train-slider.js",
        "train-plan.js",
        "train-fields.js",
        "train-form.js",
        "train-tune.js",
        "train-tuned.js",
        "train.js",
    ),
    "train.css": ("train.css", "train-run.css", "train-tune.css"),
    "text-views.js": ("text-tokens.js", "text-inside.js", "text-depth.js"),
    "train-views.js": ("text-inside.js",),
}
"""Files that are served as one; the chat's hold the shell's, so that the first page has two fewer to fetch. Every other script and style in
assets/ is served alone, to the page that names it."""

META = (
    '<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">'
    '<meta name="color-scheme" content="light dark">'
)
KINDS = {".css": "text/css", ".js": "text/javascript"}
FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


def icons() -> dict[str, str]:
    """assets/icons by name, as inline SVG."""
    return {file.stem: file.read_text().strip() for file in sorted((ASSETS / "icons").glob("*.svg"))}


def sampling() -> list[dict[str, object]]:
    """The sampling settings, for the page's scripts."""
    names = ("name", "label", "default", "minimum", "maximum", "step", "help", "basic", "kind")
    return [{name: getattr(param, name) for name in names} for param in SAMPLING_PARAMS]


def parts() -> dict[str, tuple[str, ...]]:
    """What is served, by name, and the files that it is made of."""
    bundled = {part for files in BUNDLES.values() for part in files}
    alone = sorted(file.name for file in ASSETS.glob("*.*") if file.suffix in KINDS and file.name not in bundled)
    return BUNDLES | {name: (name,) for name in alone}


@cache
def file(name: str) -> tuple[str, bytes]:
    """Name with hash, content."""
    content = (facts(name) + "\n".join((ASSETS / source).read_text() for source in parts()[name])).encode()
    stem, _, suffix = name.partition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}", content


def facts(name: str) -> str:
    """What a bundle's scripts are told by the server, in front of them."""
    first, told = "", dict[str, object]()
    if name in ("shell.js", "chat.js"):
        first = f"window.chatapp = {json.dumps({'name': NAME, 'icons': icons(), 'sampling': sampling()})};\n"
    if name == "chat.js":
        told = {"xrayFiles": {"style": address("xray.css"), "scripts": [address("xray.js"), address("xray-parts.js")]}}
    if name == "xray.js":
        told = {"xrayTabs": registry.tabs()}
    if name == "xray-parts.js":
        told = {"terms": terms.glossary()}
    return first + "".join(f"window.chatapp.{key} = {json.dumps(value)};\n" for key, value in told.items())


def address(name: str) -> str:
    return f"chatapp/{file(name)[0]}"


def files() -> dict[str, tuple[str, bytes]]:
    """Name → (name with hash, content)."""
    return {name: file(name) for name in parts()}


def tags(names: Iterable[str]) -> str:
    """Markup that loads these files."""
    return "".join(map(tag, names))


def tag(name: str) -> str:
    if name.endswith(".css"):
        return f'<link rel="stylesheet" href="{address(name)}">'
    return f'<script src="{address(name)}"></script>'


def routes() -> list[Route]:
    served = dict(files().values())

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in served:
            return Response("There is no such file. Reload the page.\n", 404, media_type="text/plain")
        return Response(served[name], headers=FOR_GOOD, media_type=KINDS[Path(name).suffix])

    return [Route("/chatapp/{name}", asset, include_in_schema=False)]
