"""What the page Models asks: what is loaded, what is here, and to load one of them."""

import asyncio
import gc
import shutil
from dataclasses import asdict, replace

from chatapp.engines.room import room
from chatapp.errors import ChatError
from chatapp.identity import Owner
from chatapp.models import catalog, deletion
from chatapp.models.catalog import LocalModel
from chatapp.models.described import SHORT, count
from chatapp.models.downloads import Downloads
from chatapp.models.hub_access import OURS
from chatapp.models.identity import ModelId, at_server
from chatapp.models.memory import gigabytes
from chatapp.models.picks import PICKS
from chatapp.models.purpose import Use
from chatapp.models.sources import EMBEDDED_ID
from chatapp.models.weights import Weights
from chatapp.pages import view
from chatapp.pages.models_protocol import (
    CopyRow,
    Fits,
    LoadedRow,
    LocalRow,
    ModelDelete,
    ModelLoad,
    Models,
    ModelsAsk,
    ModelsOwn,
    ModelUnload,
    OwnModels,
    OwnRow,
    PickRow,
    Uses,
)
from chatapp.pages.watch import sign
from chatapp.resident import weighed
from chatapp.resident.admission import asked_here
from chatapp.resident.manager import ModelManager
from chatapp.resident.slot import ModelSlot
from chatapp.server.door import Asked
from chatapp.settings import Settings
from chatapp.store import Store
from chatapp.store.speeds import in_words, speeds

NOT_HERE = (
    "Models are loaded, fetched and deleted by the person at the app's own machine only, with --host on it, without --share, --public or "
    "--allowed-hosts, and not through a proxy."
)


class ModelsActions:
    """POST /ui/models, /ui/models-own, /ui/models-load, /ui/models-unload and /ui/models-delete."""

    def __init__(self, models: ModelManager, settings: Settings, downloads: Downloads, store: Store | None = None) -> None:
        self.models, self.store = models, store
        self.settings = settings
        self.downloads = downloads

    async def overview(self, owner: Owner, asked: Asked) -> Asked:
        ask = ModelsAsk.read(asked)
        refused = self.refused()
        named = [slot.settings.model for slot in self.models.slots()]
        found = [] if refused else await asyncio.to_thread(catalog.here, self.settings.data_dir, named=named)
        loaded, copies = await asyncio.to_thread(self.loaded), self.copies()
        shown = catalog.told_apart(found)
        rows = [replace(local_row(model, loaded), label=shown[model.name]) for model in map(self.whole, found)]
        disk = "" if refused else disk_words(found)
        picks = await asyncio.to_thread(pick_rows, self.settings)
        said = Models(loaded, copies, rows, picks, disk, refused, sign([[asdict(row) for row in (*loaded, *copies, *rows)], refused]))
        return {} if said.sign == ask.have else asdict(said)

    async def own(self, owner: Owner, asked: Asked) -> Asked:
        ModelsOwn.read(asked)
        found = [] if self.refused() else await asyncio.to_thread(catalog.own, self.settings.data_dir)
        loaded = {name for slot in self.models.slots() for name in slot.asked}
        return asdict(OwnModels(own_rows([model for model in found if model.name not in loaded])))

    async def load(self, owner: Owner, asked: Asked) -> Asked:
        """Begin to load, beside the others. It goes on as a task; a name that stands for no model is refused at once."""
        ask = ModelLoad.read(asked)
        self.demand()
        return {"id": (await self.models.load(ask.name)).id}

    async def unload(self, owner: Owner, asked: Asked) -> Asked:
        """Its replies end first; whoever looks into a copy of X-ray's ends first, too."""
        ask = ModelUnload.read(asked)
        self.demand()
        if ask.copy:
            self.models.copies.unload(ask.id)
            await asyncio.to_thread(gc.collect)  # a model's modules refer to each other
        else:
            self.models.unload(ask.id)
        return {}

    async def delete(self, owner: Owner, asked: Asked) -> Asked:
        """Say what it would free; do it where the page says that the person is sure."""
        ask = ModelDelete.read(asked)
        self.demand()
        planned = await asyncio.to_thread(deletion.plan, ask.name, self.settings.data_dir)
        model = planned.model
        if local_row(model, self.loaded()).loaded not in ("", "failed"):
            raise ChatError(f"{model.label} is loaded. Unload it first, then delete it.", status=409)
        if model.repo and self.downloads.running(model.repo):
            raise ChatError(f"Files of {model.repo} are being fetched. Cancel that first, in the list of tasks.", status=409)
        if ask.sure:
            await asyncio.to_thread(deletion.delete, planned)
        return {"words": planned.words}

    def loaded(self) -> list[LoadedRow]:
        """What is in memory, and what is coming."""
        return [loaded_row(slot, self.store) for slot in self.models.slots() if slot.state != "unloaded"]

    def copies(self) -> list[CopyRow]:
        """What stands in memory beside the models."""
        return [CopyRow(copy.id, copy.title, f"{gigabytes(copy.bytes)} in float32") for copy in self.models.copies.all()]

    def whole(self, model: LocalModel) -> LocalModel:
        """A model that is being fetched is not whole yet."""
        return replace(model, problem="It is being fetched.") if model.repo and self.downloads.running(model.repo) else model

    def refused(self) -> str:
        """Why whoever asks may change nothing here; '' for the person at this machine."""
        return "" if asked_here(self.settings) else NOT_HERE

    def demand(self) -> None:
        """Raises ChatError for everybody but the person at this machine."""
        if refused := self.refused():
            raise ChatError(refused, status=403)


def own_rows(found: list[LocalModel]) -> list[OwnRow]:
    """Those that can be chatted with."""
    chats = [model for model in found if not model.problem and model.use.purpose == "chat"]
    shown = catalog.told_apart(chats)
    return [OwnRow(model.name, shown[model.name]) for model in chats]


def disk_words(found: list[LocalModel]) -> str:
    """What the models take of the disk that they lie on, and what is free there."""
    place = OURS.place
    while not place.exists():
        place = place.parent
    return f"{gigabytes(sum(model.bytes for model in found))} on the disk, {gigabytes(shutil.disk_usage(place).free)} free"


def loaded_row(slot: ModelSlot, store: Store | None) -> LoadedRow:
    """A model in memory, or one that is coming. How fast it wrote is in `store`."""
    if slot.state != "ready" or (engine := slot.loaded) is None:
        name, _, revision = slot.id.partition("@")
        name, revision = (slot.id, "") if slot.remote else (name, revision)
        return LoadedRow(slot.id, name, revision, slot.state, slot.error or slot.step.words, slot.step.share, [])
    info = engine.info
    facts = [
        ("Answered by", f"{info.device}, another server" if slot.remote else ""),
        ("Asked as", info.model if slot.remote else ""),
        ("Engine", "" if slot.remote else f"{info.engine} on {info.device}, {info.dtype}"),
        ("Context", f"{info.context:,} tokens"),
        ("Parameters", view.size(info.parameters) if info.parameters else ""),
        ("Memory", "none here" if slot.remote else ""),
        *weighed.facts(slot),
        ("Written", in_words(speeds(store.database, info.id, info.engine)) if store else ""),
    ]
    name = at_server(info.model) if slot.remote else info.model
    return LoadedRow(slot.id, name, info.revision, "ready", "", None, [(name, words) for name, words in facts if words])


def pick_rows(settings: Settings) -> list[PickRow]:
    """Good first models, and whether they fit now."""
    now = room(settings)
    fits = [now.of_weights(Weights({"BF16": pick.parameters}, ()), {}) for pick in PICKS]
    return [
        PickRow(pick.repo, count(pick.parameters), pick.words, pick.gated, Fits(fit.verdict, fit.words), SHORT[pick.purpose])
        for pick, fit in zip(PICKS, fits, strict=True)
    ]


def local_row(model: LocalModel, loaded: list[LoadedRow]) -> LocalRow:
    id = EMBEDDED_ID if model.kind == "embedded" else model.name
    row = next((row for row in loaded if is_same(model, ModelId(row.name, row.revision)) or row.id == id), None)
    now = (row.state, row.id, row.words) if row else ("", "", "")
    size = gigabytes(model.bytes)
    about = (model.name, model.label, model.kind, model.revision, str(model.place), model.bytes, size, model.problem)
    return LocalRow(*about, *now, uses(model.use))


def uses(use: Use) -> Uses:
    return Uses(use.purpose, use.words, use.unread)


def is_same(model: LocalModel, loaded: ModelId) -> bool:
    """Is this the loaded one? A folder is known by its fingerprint, which is not read for a list: its name has to do."""
    if model.kind in ("folder", "gguf"):
        return model.label == loaded.name
    return model.revision == loaded.revision and model.label.partition("@")[0] == loaded.name
