"""What the page Models asks to keep a model: a loaded one, or one that writes no text, saved to a folder, as a task."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from os.path import expanduser
from pathlib import Path

from chatapp.engines.saving import save
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models import catalog
from chatapp.models.catalog import LocalModel
from chatapp.models.hub import here
from chatapp.models.identity import revision_of
from chatapp.models.memory import gigabytes
from chatapp.models.remembered import remember
from chatapp.models.saving import refuse, save_place
from chatapp.models.sources import refuse_remote, remote
from chatapp.pages.models_actions import ModelsActions
from chatapp.pages.models_protocol import ModelSave
from chatapp.resident.slot import ModelSlot, looked_into
from chatapp.server.door import Asked
from chatapp.tasks import Progress, Step, Task, ending

Write = Callable[[Path, Progress], int]
"""Writes a model into a folder, tells how far it is, and gives the bytes written."""


class Saving:
    """POST /ui/models-save."""

    def __init__(self, actions: ModelsActions) -> None:
        self.actions = actions
        self._running: set[asyncio.Task[None]] = set()

    async def save(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelSave.read(asked)
        self.actions.demand()
        models, data_dir = self.actions.models, self.actions.settings.data_dir
        target = folder_of(ask.folder, data_dir)
        if models.get(ask.id) is None and (model := await asyncio.to_thread(silent, ask.id, data_dir)):
            await asyncio.to_thread(refuse, target, model.bytes)
            return self._begin(owner, model.label, target, nullcontext(), partial(save_place, model.place, model.label))
        slot = models.find(ask.id)
        if slot.remote:
            refuse_remote(remote(slot.id))
        if slot.loaded is None:
            raise ChatError(f"{slot.id} is not loaded. Load it first, then save it.", status=409)
        await asyncio.to_thread(refuse, target, slot.held.weights if slot.held else 0)  # said where the folder was typed
        return self._begin(owner, slot.id, target, looked_into(slot), partial(save_slot, slot))

    def _begin(self, owner: Owner, name: str, target: Path, staying: AbstractContextManager[None], write: Write) -> Asked:
        task, data_dir = self.actions.models.tasks.begin(owner, "save", f"Save {name} to {target}"), self.actions.settings.data_dir
        running = asyncio.get_running_loop().create_task(saved(staying, write, target, task, data_dir), name=task.title)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return {"task": task.id}


async def saved(staying: AbstractContextManager[None], write: Write, target: Path, task: Task, data_dir: Path) -> None:
    """`staying` keeps it in memory until it is written."""
    with ending(task), staying:
        size = await asyncio.to_thread(write, target, task.tell)
        await asyncio.to_thread(note, target, data_dir)
        task.step = Step(f"{gigabytes(size)} at {target}", 1.0)
        task.end("done")


def note(target: Path, data_dir: Path) -> None:
    """Wherever it was saved, it is on this machine: the lists have it."""
    place = target if (target / "config.json").is_file() else next(iter(sorted(target.glob("*.gguf"))))
    remember(place, revision_of(place), data_dir)


def save_slot(slot: ModelSlot, target: Path, progress: Progress) -> int:
    """A loaded model."""
    return save(slot.engine, here(slot.house.find(slot.settings)), target, progress)


def silent(name: str, data_dir: Path) -> LocalModel | None:
    """A model on this machine that writes no text, and so stands in no slot."""
    return next((model for model in catalog.here(data_dir) if model.name == name and model.use.purpose != "chat"), None)


def folder_of(name: str, data_dir: Path) -> Path:
    """A bare name is a folder among the app's models. Raises ChatError for a path that depends on where the app was started."""
    path = Path(expanduser(name.strip()))
    if not name.strip() or name.strip() in (".", ".."):
        raise ChatError("Name the folder to save to: a new one, such as /home/me/models/mine, or a bare name for one in the app's folder.")
    if len(path.parts) == 1 and not path.is_absolute() and path.name[0] != "~":
        return data_dir / "models" / path
    if not path.is_absolute():
        raise ChatError(f"{name} is no whole path. Begin with / or ~, or give a bare name for a folder among the app's models.")
    return path
