"""Start the chat app: settings → model → store → chat → pages → launch."""

import os

os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")

from chatapp import signals

if __name__ == "__main__":
    signals.end_at_once()

import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from chatapp import cli
from chatapp.errors import ChatError
from chatapp.settings import Settings, parse

CLOSING_SECONDS = 1.0


def main(settings: Settings) -> None:
    """Serve until a signal comes. What is being written then is saved as interrupted."""
    print(f"Starting with {settings.model} … the address of the page follows.", flush=True)
    from chatapp.chat.housekeeping import Clock, keep_house  # seconds of imports: here, so that a wrong flag is refused before them
    from chatapp.chat.service import Chat
    from chatapp.lab.kept import all_runs
    from chatapp.lab.train.runs import all_runs as all_trainings
    from chatapp.pages.blocks import build, launch_options
    from chatapp.pages.routes import app_options
    from chatapp.pages.start import Loop, announce, close_tunnels, refuse_address, save_chats
    from chatapp.resident.improve import tend
    from chatapp.resident.manager import ModelManager
    from chatapp.server import auth
    from chatapp.store import Store
    from chatapp.xray.ahead import ahead

    refuse_address(settings.host, settings.port)
    store, models, launched = Store.open(settings), ModelManager(settings), threading.Event()
    models.start(launched)
    chat, runs, trainings = Chat(models, store), all_runs(models, settings), all_trainings(models.tasks, settings)
    loop = Loop(partial(keep_house, chat.stores, Clock()), partial(tend, models, settings.idle_unload * 60), partial(ahead, models))
    demo = build(chat)
    _, url, public_url = demo.launch(
        server_name=settings.host,
        server_port=settings.port or None,
        share=settings.share,
        auth=auth.checker(settings.auth),
        prevent_thread_lock=True,
        app_kwargs={**app_options(chat, models, settings, runs, trainings), "lifespan": loop.lifespan},
        **launch_options(),
    )
    launched.set()
    announce(public_url or url, settings, store, models.first)
    signals.until_stopped()
    saved = save_chats(chat, runs, loop)
    trainings.shutdown()
    end(0 if saved else 1, close_tunnels, models.close, partial(demo.close, verbose=False), store.close)


def end(status: int, *closing: Callable[[], None]) -> NoReturn:
    """Nothing can be lost any more: what still runs may not hold up the end."""
    signals.end_within(CLOSING_SECONDS, status)
    for close in closing:
        close()
    sys.exit(status)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        if (status := cli.run(sys.argv[1:])) is None:
            main(parse(commands=cli.described()))
        sys.exit(status)
    except (ChatError, OSError) as error:
        sys.exit(str(error))
