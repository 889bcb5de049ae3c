"""What app.py prints and waits for: the start-up card, the server's loop."""

import asyncio
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from gradio import tunneling

from chatapp.chat.service import Chat
from chatapp.engines.cores import usable_cores
from chatapp.errors import ChatError
from chatapp.lab.kept import Runs
from chatapp.pages import view
from chatapp.resident import weighed
from chatapp.resident.slot import ModelSlot
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.versions import untested

SAVING_SECONDS = 30.0
STOPPING_SECONDS = 1.5
WRITING = ("classify", "save")


class Loop:
    """Remembers the event loop of the server, which runs in a thread of its own; what is `beside` goes on there beside the requests."""

    running: asyncio.AbstractEventLoop

    def __init__(self, *beside: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.beside = beside

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        self.running = asyncio.get_running_loop()
        tasks = [self.running.create_task(begin(), name="beside the requests") for begin in self.beside]
        yield
        for task in tasks:
            task.cancel()


def save_chats(chat: Chat, runs: Runs, loop: Loop, seconds: float = SAVING_SECONDS) -> bool:
    """End what is being written as interrupted and put it on disk; comparisons stop. Says what is done, and whether it came to its end."""
    print("Saving chats …", flush=True)
    saving = asyncio.run_coroutine_threadsafe(shutdown(chat, runs), loop.running)
    try:
        saving.result(timeout=seconds)
    except TimeoutError:
        print(
            f"Not all replies could be saved in {seconds:g} seconds. On disk is what was written until then; the next start offers "
            "to continue them.",
            file=sys.stderr,
        )
        return False
    print("Saved.", flush=True)
    return True


async def shutdown(chat: Chat, runs: Runs) -> None:
    """No reply is being written afterwards: one of a comparison that the closing engines cut would stand there as failed.

    Tasks that write a folder end, and take away what is half done.
    """
    stopping = asyncio.to_thread(chat.models.tasks.stop, WRITING, STOPPING_SECONDS)
    await asyncio.gather(chat.shutdown(), runs.shutdown(), stopping)


def close_tunnels() -> None:
    """Gradio ends the program behind a public link only when Python ends in its own time."""
    for tunnel in tunneling.CURRENT_TUNNELS:
        tunnel.kill()


def refuse_address(host: str, port: int) -> None:
    """Raises ChatError where the page could not listen, before anything is loaded."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        raise ChatError(
            f"The page cannot be opened at {host}, port {port}: {error.strerror or error}. Stop the program that uses the port or choose "
            "another --port; --host must be an address of this machine."
        ) from error


def announce(url: str, settings: Settings, store: Store, slot: ModelSlot) -> None:
    """Print the start-up card: what is known at once, and the model's part as soon as it is there."""
    print(begin_card(url, settings, store), flush=True)
    threading.Thread(target=lambda: print(model_card(slot), flush=True), daemon=True).start()


def begin_card(url: str, settings: Settings, store: Store) -> str:
    """Printed as soon as the page answers."""
    api = "on, at /v1" if settings.api_key.get_secret_value() else "off; CHATAPP_API_KEY turns it on"
    facts = {"Page": url, "Chats": store.where, "API": api, "Model": f"{settings.model} (loading; the page answers meanwhile)"}
    advice = {"Slower": crowded(settings.threads, usable_cores()), "Untested": untested()}
    return rows(facts | {name: words for name, words in advice.items() if words})


def crowded(threads: int, cores: int) -> str:
    """What to do about more threads than there are cores for them; '' where they fit."""
    if threads <= cores:
        return ""
    return f"--threads is {threads}, and {cores} cores can be used: more threads than cores wait for each other. Leave it out for all cores"


def model_card(slot: ModelSlot) -> str:
    """Waits for the model and says what it is, or why there is none."""
    try:
        engine = asyncio.run(slot.wait_ready())
    except ChatError as error:
        return rows({"Failed": str(error)})
    info, people = engine.info, engine.capabilities.concurrency
    return rows(
        {
            "Model": info.model + (f"@{info.revision}" if info.revision else ""),
            "Parameters": view.size(info.parameters) if info.parameters else "not told",
            "Engine": f"{info.engine} on {info.device}",
            ("Server" if slot.remote else "Dtype"): info.dtype_reason if slot.remote else f"{info.dtype}: {info.dtype_reason}",
            "Context": f"{info.context:,} tokens" + (f" for each of {people} people at once" if people > 1 else ""),
            **dict(weighed.facts(slot)),
            **({"Faster": info.advice} if info.advice else {}),
        }
    )


def rows(facts: dict[str, str]) -> str:
    """Two columns."""
    return "\n".join(f"  {name:<11} {value}" for name, value in facts.items())
