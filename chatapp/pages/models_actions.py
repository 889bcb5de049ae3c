"""What the page Models asks: what is loaded, what is here, and to load one of them."""

import asyncio
from dataclasses import asdict

from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models import catalog
from chatapp.models.catalog import LocalModel
from chatapp.models.identity import ModelId
from chatapp.models.memory import gigabytes
from chatapp.pages import view
from chatapp.pages.models_protocol import LoadedRow, LocalRow, ModelLoad, Models, ModelsAsk
from chatapp.pages.watch import sign
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.server.door import Asked
from chatapp.settings import Settings

NOT_HERE = (
    "Models are loaded, fetched and deleted by the person at the app's own machine only, with --host on it, without --share, --public or "
    "--allowed-hosts, and not through a proxy."
)


class ModelsActions:
    """POST /ui/models and /ui/models-load."""

    def __init__(self, models: ModelManager, settings: Settings) -> None:
        self.models = models
        self.settings = settings

    async def overview(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelsAsk.read(asked)
        refused = self.refused()
        found = [] if refused else await asyncio.to_thread(catalog.here, self.settings.data_dir)
        loaded = [loaded_row(slot) for slot in self.models.slots() if slot.state != "unloaded"]
        rows = [local_row(model, loaded) for model in found]
        disk = f"{gigabytes(sum(model.bytes for model in found))} on the disk" if found else ""
        said = Models(loaded, rows, disk, refused, sign([[asdict(row) for row in (*loaded, *rows)], refused]))
        return {} if said.sign == ask.have else asdict(said)

    async def load(self, owner: Owner, asked: Asked) -> Asked:
        """Begin to load, beside the others. It goes on as a task; a name that stands for no model is refused at once."""
        ask = ModelLoad.read(asked)
        self.demand()
        await self.models.load(ask.name)
        return {}

    def refused(self) -> str:
        """Why whoever asks may change nothing here; '' for the person at this machine."""
        return "" if asked_here(self.settings) else NOT_HERE

    def demand(self) -> None:
        """Raises ChatError for everybody but the person at this machine."""
        if refused := self.refused():
            raise ChatError(refused, status=403)


def loaded_row(slot: ModelSlot) -> LoadedRow:
    """A model in memory, or one that is coming."""
    if slot.state != "ready":
        return LoadedRow(slot.id, "", slot.state, slot.error or slot.step.words, slot.step.share, [])
    info = slot.info
    facts = [
        ("Engine", f"{info.engine} on {info.device}, {info.dtype}"),
        ("Context", f"{info.context:,} tokens"),
        ("Parameters", view.size(info.parameters)),
        ("Memory", info.memory),
    ]
    return LoadedRow(info.model, info.revision, "ready", "", None, [(name, words) for name, words in facts if words])


def local_row(model: LocalModel, loaded: list[LoadedRow]) -> LocalRow:
    is_loaded = any(row.state == "ready" and is_same(model, ModelId(row.name, row.revision)) for row in loaded)
    size = gigabytes(model.bytes)
    return LocalRow(
        model.name, model.label, model.kind, model.revision, str(model.place), model.bytes, size, model.problem, loaded=is_loaded
    )


def is_same(model: LocalModel, loaded: ModelId) -> bool:
    """Is this the loaded one? A folder is known by its fingerprint, which is not read for a list: its name has to do."""
    if model.kind in ("folder", "gguf"):
        return model.label == loaded.name
    return model.revision == loaded.revision and model.label.partition("@")[0] == loaded.name
