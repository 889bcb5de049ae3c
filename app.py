"""Start the chat app: settings → engine → store → UI → launch. A Space finds `demo` here."""

import os

os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false")

import asyncio
import logging
import sys

import gradio as gr

from chatapp import cli
from chatapp.chat import Chat
from chatapp.engines.resident import Resident
from chatapp.errors import ChatError
from chatapp.settings import parse
from chatapp.store import Store
from chatapp.ui.blocks import build, launch_options, open_queue
from chatapp.ui.start import Loop, announce, refuse_address, until_stopped
from chatapp.web import auth, health, login_limit, openai_api, security


def main(demo: gr.Blocks) -> None:
    """Serve until a signal comes. What is being written then is saved as interrupted."""
    loop = Loop()
    open_queue(demo)
    _, url, public_url = demo.launch(
        server_name=settings.host,
        server_port=settings.port or None,
        share=settings.share,
        auth=auth.checker(settings.auth),
        auth_message=login_limit.NOTE,
        prevent_thread_lock=True,
        app_kwargs={
            "routes": [*health.routes(resident), *openai_api.routes(chat, resident, settings)],
            "middleware": security.middleware(settings),
            "lifespan": loop.lifespan,
        },
        **launch_options(settings),
    )
    announce(public_url or url, settings, store, resident)
    until_stopped()
    asyncio.run_coroutine_threadsafe(chat.shutdown(), loop.running).result(timeout=30)
    demo.close(verbose=False)
    resident.close()
    store.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        if (status := cli.run(sys.argv[1:])) is not None:
            sys.exit(status)
        settings = parse()
        refuse_address(settings.host, settings.port)
        store, resident = Store.open(settings), Resident(settings)
        resident.start()
        chat = Chat(resident, store, max_waiting=settings.max_waiting)
        demo = build(chat, resident, settings)
        main(demo)
    except (ChatError, OSError) as error:
        sys.exit(str(error))
