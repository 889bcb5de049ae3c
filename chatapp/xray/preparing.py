"""Making a model that X-ray can look into: over the resident weights where they are in this process, else read anew in float32."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from chatapp.errors import ChatError
from chatapp.models.identity import ModelId
from chatapp.models.loading import Loaded, load, load_tokenizer
from chatapp.models.remembered import remember
from chatapp.resident.admission import handed_on
from chatapp.resident.slot import find_source
from chatapp.settings import Settings, on_zerogpu
from chatapp.tasks import Step
from chatapp.xray.thread import XrayThread

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class InspectedModel:
    """A model X-ray can look into. `note` says how it relates to the model that wrote the reply."""

    name: str
    id: ModelId
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    note: str

    @property
    def vocabulary(self) -> int:
        """Ids below this number can be read."""
        return self.model.get_input_embeddings().num_embeddings


Preparation = tuple[list[Step], "asyncio.Future[InspectedModel]"]
"""What has been told of an inspected model that is being made, and the inspected model to come."""


class InspectedModels:
    """The resident engine's own, and at most one `more`, loaded for X-ray only."""

    def __init__(self, thread: XrayThread) -> None:
        self._thread = thread
        # The inspected model of an engine goes with the engine: a switch of the resident model frees its weights.
        self._own: WeakKeyDictionary[object, InspectedModel] = WeakKeyDictionary()
        self._preparing: WeakKeyDictionary[object, Preparation] = WeakKeyDictionary()
        self.more: InspectedModel | None = None

    def ready(self, engine: object) -> InspectedModel | None:
        """That of an engine, once it was made."""
        return self._own.get(engine)

    async def prepare(self, name: str, engine: object, settings: Settings) -> AsyncIterator[Step | InspectedModel]:
        """Make it on X-ray's thread, telling how far it is. Who asks meanwhile (the next view) waits for the same."""
        if engine in self._own:
            yield self._own[engine]
            return
        known = None if engine is None else self._preparing.get(engine)
        told, building = known or self._begin(name, engine, settings)
        shown = told[-1]
        yield shown
        while not building.done():
            await asyncio.wait([building], timeout=0.2)
            if told[-1] is not shown:
                shown = told[-1]
                yield shown
        yield building.result()

    def clear(self) -> None:
        """Free them all."""
        self._own.clear()
        self.more = None

    def _begin(self, name: str, engine: object, settings: Settings) -> Preparation:
        """With the settings of now: by the time it is this build's turn, another model may be resident."""
        told = [Step(f"Preparing {name} for X-ray")]
        building = asyncio.ensure_future(self._thread.run(self._build, name, engine, settings, told))
        if engine is not None:
            self._preparing[engine] = told, building
            building.add_done_callback(lambda _: self._preparing.pop(engine, None))
        return told, building

    def _build(self, name: str, engine: object, settings: Settings, told: list[Step]) -> InspectedModel:
        from chatapp.xray import module

        if shareable(engine):
            id, model, tokenizer = engine.info.id, module.twin(engine.model), engine.tokenizer
            note = f"the resident {engine.info.dtype} weights"
        else:
            if engine is None:
                self.more = None  # freed before the next one comes
            loaded = read_weights(name, engine, settings, told)
            id, model, tokenizer = loaded.info.id, module.twin(loaded.model), loaded.tokenizer
            note = "recomputed in float32" + (f" from the shipped {engine.info.shipped} weights" if engine and engine.info.shipped else "")
        made = InspectedModel(name, id, model, tokenizer, " · ".join([note, *module.remarks(model)]))
        if engine is None:
            self.more = made
        else:
            self._own[engine] = made
        return made


def read_weights(name: str, engine: object, settings: Settings, told: list[Step]) -> Loaded:
    """In float32 on the CPU: of the resident's own file, or of any other model by name."""
    if engine is None:
        settings = settings.model_copy(update={"model": name, "revision": ""})
    settings = settings.model_copy(update={"device": "cpu", "dtype": "float32", "engine": "direct"})
    source = find_source(settings)
    loaded = load(source, settings, lambda words, share: told.append(Step(words, share)))
    remember(source.folder or source.gguf, loaded.info.revision, settings.data_dir)
    if engine is not None and loaded.info.id.compare(engine.info.id) == "other":
        raise ChatError(f"The files of {name} have changed since the app loaded them, so X-ray cannot show what is running. Restart it.")
    return loaded


def read_tokenizer(name: str, settings: Settings) -> "PreTrainedTokenizerBase":
    """Of any model by name, without its weights."""
    settings = settings.model_copy(update={"model": name, "revision": ""})
    return load_tokenizer(find_source(settings), settings)


def why_not_load(settings: Settings) -> str:
    """Why nobody may have further models loaded here, in words: strangers must not fill the machine's memory or read its folders."""
    if settings.local_only and not handed_on.get():
        return ""
    return (
        "Further models are loaded only where the app is not open to everyone: by the person at this machine, "
        "with --host on it, without --share, --public or --allowed-hosts, and not through a proxy."
    )


def shareable(engine: object) -> bool:
    """Does the engine hold a model in this process, on one device that is there all the time? Then X-ray shares its weights."""
    model = getattr(engine, "model", None)
    if model is None or on_zerogpu():
        return False
    return len({parameter.device for parameter in model.parameters()}) == 1
