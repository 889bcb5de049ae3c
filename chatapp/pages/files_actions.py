"""What the page Models asks about a model's files. Strangers may ask about the models that serve them; the rest is the owner's own."""

import asyncio
from dataclasses import asdict
from os.path import expanduser
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models import catalog
from chatapp.models.catalog import LocalModel
from chatapp.models.files import cutting, diff
from chatapp.models.files.listing import explain
from chatapp.pages.files_protocol import ModelArchitecture, ModelCut, ModelDiff, ModelFiles, ModelFilesAsk
from chatapp.pages.models_actions import is_same
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.server.door import Asked, Door
from chatapp.settings import Settings
from chatapp.xray import unloaded


class FilesActions:
    """POST /ui/model-files, -cut, -architecture and -diff. One at a time: each may start processes."""

    def __init__(self, models: ModelManager, settings: Settings) -> None:
        self.models = models
        self.settings = settings
        self._one = asyncio.Semaphore(1)

    async def files(self, owner: Owner, asked: Asked) -> Asked:
        place = await self.place(ModelFilesAsk.read(asked).name)
        told = await self._run(told_of, place)
        return asdict(told)

    async def cut(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelCut.read(asked)
        return await self._run(cutting.cut_by, await self.place(ask.name), ask.text, self.settings.data_dir)

    async def architecture(self, owner: Owner, asked: Asked) -> Asked:
        return await self._run(unloaded.read, await self.place(ModelArchitecture.read(asked).name))

    async def diff(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelDiff.read(asked)
        return await self._run(diff.compare, await self.place(ask.name), await self.place(ask.other))

    async def place(self, name: str) -> Path:
        """Where a model lies. Raises ChatError 404 for one that is not here, or that is not the asker's to see: both read the same."""
        return await asyncio.to_thread(self._place, name, asked_here(self.settings))

    def _place(self, name: str, local: bool) -> Path:
        known = catalog.here(self.settings.data_dir)
        found = next((model.place for model in known if model.name == name and (local or self.serves(model))), None)
        if found is not None:
            return found
        path = Path(expanduser(name))
        if local and path.is_absolute() and path.exists():
            return path
        raise ChatError(f"There is no model {name!r} here. The list of models says which there are.", status=404)

    def serves(self, model: LocalModel) -> bool:
        """Is it in memory, so that everybody here talks to it?"""
        return any(is_same(model, slot.info.id) for slot in self.models.slots() if slot.state == "ready")

    async def _run(self, work: Any, *arguments: Any) -> Any:
        async with self._one:
            return await asyncio.to_thread(work, *arguments)


def told_of(place: Path) -> ModelFiles:
    """For the page: without the tensors one by one, and without where the folder lies."""
    found = explain(place).plain()
    tensors = {name: value for name, value in found["tensors"].items() if name != "list"}
    return ModelFiles(found["files"], found["absent"], tensors, found["note"])


def add(door: Door, models: ModelManager, settings: Settings) -> None:
    """Hang it on the door."""
    actions = FilesActions(models, settings)
    door.actions |= {"model-files": actions.files, "model-cut": actions.cut}
    door.actions |= {"model-architecture": actions.architecture, "model-diff": actions.diff}
