"""X-ray's bench: which module it looks through, one thread for all of its work, and what was read last."""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from chatapp.errors import ChatError
from chatapp.models.identity import ModelId, made_by, refuse_foreign_ids
from chatapp.models.remembered import remember
from chatapp.resident.admission import handed_on
from chatapp.resident.slot import find_source
from chatapp.settings import Settings
from chatapp.turn import Turn
from chatapp.xray.thread import behind_the_chat, one_thread
from chatapp.xray.whose import NotLoaded, Present, called, find, not_loaded

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from chatapp.engines.base import Engine
    from chatapp.resident.slot import Resident
    from chatapp.xray.sampling import Logits

T = TypeVar("T")


MAX_LOGITS_BYTES = 2**30
ZEROGPU = "SPACES_ZERO_GPU"


@dataclass(frozen=True)
class Step:
    """Work going on: what is being done, and the share done (0 to 1) or None."""

    words: str
    share: float | None = None


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


class Inspector:
    """Specimens are the resident model and at most one more, loaded for X-ray only; everything runs on one thread of its own."""

    def __init__(self, resident: "Resident") -> None:
        self.resident = resident
        self._thread = ThreadPoolExecutor(1, "xray", behind_the_chat)
        self._awake = False
        # The inspected model of an engine goes with the engine: a switch of the resident model frees its weights.
        self._own: WeakKeyDictionary[object, InspectedModel] = WeakKeyDictionary()
        self._more: InspectedModel | None = None
        self._preparing: WeakKeyDictionary[object, Preparation] = WeakKeyDictionary()
        self._tokenizer: tuple[ModelId, PreTrainedTokenizerBase] | None = None
        # By turn and revision: a turn without one may be looked at by several models of its name.
        self._logits: OrderedDict[tuple[str, str], Logits] = OrderedDict()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """One piece of work on X-ray's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, lambda: work(*arguments))

    async def drive(self, steps: Iterator[T]) -> AsyncIterator[T]:
        """A plain generator, one step at a time on X-ray's thread. Closing this closes it: the reader who leaves ends the work."""
        done = object()
        try:
            while (item := await self.run(next, steps, done)) is not done:
                yield item
        finally:
            if isinstance(steps, Generator):
                await asyncio.shield(self.run(steps.close))

    async def wake(self) -> AsyncIterator[Step]:
        """PyTorch on X-ray's thread, once. An app whose engine is llama.cpp has not loaded it before."""
        if not self._awake:
            yield Step("Starting PyTorch")
            await self.run(self._wake)

    def _wake(self) -> None:
        """On X-ray's thread, where whoever asked at the same moment comes second."""
        if not self._awake:
            one_thread()
            self._awake = True

    def tokenizer(self, whose: Turn | ModelId) -> "PreTrainedTokenizerBase":
        """The tokenizer of a loaded model. Raises ChatError(409) where the model that is asked for is not loaded."""
        return self._find(whose).tokenizer

    async def any_tokenizer(self, model: ModelId) -> "PreTrainedTokenizerBase":
        """The tokenizer of any model; one that is not loaded is read alone, without its weights, and kept until the next."""
        try:
            return self.tokenizer(model)
        except NotLoaded:
            if reason := why_not_load(self.resident.settings):
                raise ChatError(reason, status=403) from None
            if self._tokenizer is None or self._tokenizer[0] != model:
                self._tokenizer = (model, await self.run(self._read_tokenizer, str(model)))
            return self._tokenizer[1]

    def called(self, typed: str) -> ModelId:
        """The model that somebody names: a loaded one, or one to be loaded."""
        return called(typed, self._present())

    async def inspected(self, whose: Turn | ModelId) -> AsyncIterator[Step | InspectedModel]:
        """The model that wrote a turn, if it is resident or was loaded for X-ray: steps while it is prepared, then the inspected model."""
        async for step in self.wake():
            yield step
        found = self._find(whose)
        if isinstance(found, InspectedModel):
            yield found
            return
        async for item in self._prepare(found.card.model, found):
            if isinstance(item, InspectedModel) and isinstance(whose, Turn):
                refuse_foreign_ids(whose, item.vocabulary, item.name)
            yield item

    def note(self, turn: Turn) -> str:
        """How the inspected model of this turn relates to the model that wrote; empty before it is prepared, and when it is gone."""
        found = find(turn, self._present())
        made = found and (found.it if isinstance(found.it, InspectedModel) else self._own.get(found.it))
        return made.note if made else ""

    async def load(self, name: str) -> AsyncIterator[Step | InspectedModel]:
        """Load one more model for X-ray only; the one loaded so before is freed."""
        if reason := why_not_load(self.resident.settings):
            raise ChatError(reason, status=403)
        if self.resident.state == "ready" and self.called(name) == self.resident.card.id:
            raise ChatError(f"{name} is the model of this app: it is loaded already.")
        async for step in self.wake():
            yield step
        async for item in self._prepare(name, None):
            yield item

    async def logits(self, turn: Turn) -> AsyncIterator["Step | Logits"]:
        """What the model said before each token of a reply; kept for the turns looked at last, within MAX_LOGITS_BYTES."""
        from chatapp.xray.sampling import read

        key = (turn.id, turn.revision)
        if key in self._logits:
            self._logits.move_to_end(key)
            yield self._logits[key]
            return
        inspected = None
        async for item in self.inspected(turn):
            if isinstance(item, Step):
                yield item
            else:
                inspected = item
        result: list[Logits] = []
        async for share in self.drive(returning(read(inspected.model, turn.prompt_ids, turn.reply_ids), result)):
            yield Step("Reading the reply", share)
        self._keep(key, result[0])
        yield result[0]

    def close(self) -> None:
        """Free the models; work in progress ends first."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._own.clear()
        self._more = None
        self._logits.clear()

    def _keep(self, key: tuple[str, str], logits: "Logits") -> None:
        self._logits[key] = logits
        while len(self._logits) > 1 and sum(kept.rows.nbytes for kept in self._logits.values()) > MAX_LOGITS_BYTES:
            self._logits.popitem(last=False)

    async def _prepare(self, name: str, engine: object) -> AsyncIterator[Step | InspectedModel]:
        """Build the inspected model on X-ray's thread, telling how far it is. Who asks meanwhile (the next view) waits for the same."""
        if engine in self._own:
            yield self._own[engine]
            return
        known = None if engine is None else self._preparing.get(engine)
        told, building = known or self._begin(name, engine)
        shown = told[-1]
        yield shown
        while not building.done():
            await asyncio.wait([building], timeout=0.2)
            if told[-1] is not shown:
                shown = told[-1]
                yield shown
        yield building.result()

    def _begin(self, name: str, engine: object) -> Preparation:
        """With the settings of now: by the time it is this build's turn, another model may be resident."""
        told = [Step(f"Preparing {name} for X-ray")]
        building = asyncio.ensure_future(self.run(self._build, name, engine, self.resident.settings, told))
        if engine is not None:
            self._preparing[engine] = told, building
            building.add_done_callback(lambda _: self._preparing.pop(engine, None))
        return told, building

    def _build(self, name: str, engine: object, settings: Settings, told: list[Step]) -> InspectedModel:
        from chatapp.xray import module

        if shareable(engine):
            id, model, tokenizer = engine.card.id, module.twin(engine.model), engine.tokenizer
            note = f"the resident {engine.card.dtype} weights"
        else:
            if engine is None:
                self._more = None  # freed before the next one comes
            loaded = self._load(name, engine, settings, told)
            id, model, tokenizer = loaded.facts.id, module.twin(loaded.model), loaded.tokenizer
            note = "recomputed in float32"
        made = InspectedModel(name, id, model, tokenizer, " · ".join([note, *module.remarks(model)]))
        if engine is None:
            self._more = made
        else:
            self._own[engine] = made
        return made

    def _load(self, name: str, engine: object, settings: Settings, told: list[Step]):
        """The weights in float32 on the CPU: of the resident's own file, or of any other model by name."""
        from chatapp.models.loading import load

        if engine is None:
            settings = settings.model_copy(update={"model": name, "revision": ""})
        settings = settings.model_copy(update={"device": "cpu", "dtype": "float32", "engine": "direct"})
        source = find_source(settings)
        loaded = load(source, settings, lambda words, share: told.append(Step(words, share)))
        remember(source.folder or source.gguf, loaded.facts.revision, settings.data_dir)
        if engine is not None and loaded.facts.id.compare(engine.card.id) == "other":
            raise ChatError(
                f"The files of {name} have changed since the app loaded them, so X-ray cannot show what is running. Restart it."
            )
        return loaded

    def _read_tokenizer(self, name: str) -> "PreTrainedTokenizerBase":
        from chatapp.models.loading import load_tokenizer

        settings = self.resident.settings.model_copy(update={"model": name, "revision": ""})
        return load_tokenizer(find_source(settings), settings)

    def _present(self) -> list[Present]:
        """The models in memory, the resident one first."""
        engine = self.resident.engine if self.resident.state == "ready" else None
        own = [Present(engine.card.id, engine.card.model, engine.card.vocabulary, engine)] if engine else []
        return own + ([Present(self._more.id, self._more.name, self._more.vocabulary, self._more)] if self._more else [])

    def _find(self, whose: Turn | ModelId) -> "Engine | InspectedModel":
        """Raises NotLoaded, Unsure, or ChatError for ids that the model cannot read."""
        present = self._present()
        if found := find(whose, present):
            return found.it
        wanted, settings = made_by(whose) if isinstance(whose, Turn) else whose, self.resident.settings
        raise not_loaded(wanted, present, settings.data_dir, why_not_load(settings))


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
    if model is None or os.environ.get(ZEROGPU):
        return False
    return len({parameter.device for parameter in model.parameters()}) == 1


def returning(steps: Generator[T, None, Any], result: list) -> Generator[T]:
    """Pass a generator's items on and put what it returns into `result`."""
    result.append((yield from steps))
