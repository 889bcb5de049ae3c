"""What the page Models asks to keep a loaded model: saved to a folder, as a task."""

import asyncio
from os.path import expanduser
from pathlib import Path

from chatapp.engines.saving import save
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models.hub import here
from chatapp.models.memory import gigabytes
from chatapp.models.saving import refuse
from chatapp.pages.models_actions import ModelsActions
from chatapp.pages.models_protocol import ModelSave
from chatapp.resident.slot import ModelSlot, looked_into
from chatapp.server.door import Asked
from chatapp.tasks import Step, Task, ending


class Saving:
    """POST /ui/models-save."""

    def __init__(self, actions: ModelsActions) -> None:
        self.actions = actions
        self._running: set[asyncio.Task[None]] = set()

    async def save(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelSave.read(asked)
        self.actions.demand()
        target, slot = folder_of(ask.folder, self.actions.settings.data_dir), self.actions.models.find(ask.id)
        if slot.loaded is None:
            raise ChatError(f"{slot.id} is not loaded. Load it first, then save it.", status=409)
        await asyncio.to_thread(refuse, target, slot.held.weights if slot.held else 0)  # said where the folder was typed
        task = self.actions.models.tasks.begin(owner, "save", f"Save {slot.id} to {target}")
        running = asyncio.get_running_loop().create_task(self._saved(slot, target, task), name=task.title)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return {"task": task.id}

    async def _saved(self, slot: ModelSlot, target: Path, task: Task) -> None:
        with ending(task), looked_into(slot):  # it stays until it is written
            size = await asyncio.to_thread(lambda: save(slot.engine, here(slot.house.find(slot.settings)), target, task.tell))
            task.step = Step(f"{gigabytes(size)} at {target}", 1.0)
            task.end("done")


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
