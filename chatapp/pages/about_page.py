"""About the app: what runs here, in which versions, under which licence, and how programs reach it."""

import platform
from dataclasses import asdict

from chatapp import __version__
from chatapp.identity import Owner
from chatapp.pages.assets import NAME
from chatapp.pages.shell import Page
from chatapp.pages.shell_protocol import About, AboutAsk
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.server.door import Asked, Door
from chatapp.settings import Settings
from chatapp.versions import RUNTIME, installed, read

BODY = """
<section aria-labelledby="about-app">
  <p class="lead">Chat with a model, and see exactly what it saw and did: every prompt, every token, every probability.</p>
  <h2 id="about-app">What runs here</h2>
  <dl id="facts"></dl>
  <details><summary>Libraries</summary><dl id="libraries"></dl></details>
</section>
<section aria-labelledby="about-api">
  <h2 id="about-api">For programs</h2>
  <div id="api" aria-live="polite"></div>
</section>"""

PAGE = Page("About", "about", "info", BODY, styles=("about.css",), scripts=("about.js",))


def add(door: Door, models: ModelManager, settings: Settings) -> None:
    """Hang the page on the door."""

    async def about(owner: Owner, asked: Asked) -> Asked:
        AboutAsk.read(asked)
        libraries = sorted(installed(requirement.name for requirement in read(RUNTIME)).items())
        slot = models.first
        model = slot.info.model if slot.state == "ready" else ""
        return asdict(About(facts(slot), libraries, bool(settings.api_key.get_secret_value()), model))

    door.actions["about"] = about


def facts(slot: ModelSlot) -> list[tuple[str, str]]:
    """What a report of a fault should name."""
    return [
        (NAME, f"{__version__}, MIT licence"),
        *model_facts(slot),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
    ]


def model_facts(slot: ModelSlot) -> list[tuple[str, str]]:
    """The model and its engine, or what is going on instead."""
    if slot.state != "ready":
        return [("Model", slot.error or f"{slot.step.words} …")]
    info = slot.info
    made = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    return [
        ("Model", info.model + (f" · {info.revision}" if info.revision else "")),
        ("Engine", ", ".join(filter(None, [f"{info.engine} on {info.device}", info.dtype])) + (f" ({made})" if made else "")),
        ("Context", f"{info.context:,} tokens"),
    ]
