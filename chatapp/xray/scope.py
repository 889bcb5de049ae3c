"""X-ray's bench: which module it looks through, one thread for all of its work, and what was read last."""

import asyncio
import importlib
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from chatapp.engines.resident import find_source
from chatapp.errors import ChatError
from chatapp.settings import Settings
from chatapp.turn import Turn

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from chatapp.engines.resident import Resident
    from chatapp.xray.sampling import Logits

T = TypeVar("T")


class NotLoaded(ChatError):
    """The reply's model is not loaded; `offer` is its name, for a button that loads it, '' where `why_not` says why nobody may."""

    def __init__(self, name: str, now: str, why_not: str) -> None:
        cure = why_not or f"Load {name} for X-ray to see more than what was recorded."
        super().__init__(f"This reply was made by {name}; {now} is loaded. {cure}", status=409)
        self.offer = "" if why_not else name


MAX_LOGITS_BYTES = 2**30
ROOMS = ("architecture", "attention", "lens", "module", "sampling")
"""X-ray's modules that need PyTorch: imported on its own thread, because a first import takes seconds."""

ZEROGPU = "SPACES_ZERO_GPU"


@dataclass(frozen=True)
class Step:
    """Work going on: what is being done, and the share done (0 to 1) or None."""

    words: str
    share: float | None = None


@dataclass(frozen=True)
class Specimen:
    """A model X-ray can look into. `note` says how it relates to the model that wrote the reply."""

    name: str
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"
    note: str


Preparation = tuple[list[Step], "asyncio.Future[Specimen]"]
"""What has been told of a specimen that is being made, and the specimen to come."""

NICE = 10
"""Priority of X-ray's thread. Beside it a chat keeps 0.6 of its speed on two cores, 0.3 with none; a higher number would stall the page,
as this thread holds Python's lock now and then."""


class Scope:
    """Specimens are the resident model and at most one more, loaded for X-ray only; everything runs on one thread of its own."""

    def __init__(self, resident: "Resident") -> None:
        self.resident = resident
        self._thread = ThreadPoolExecutor(1, "xray", _behind_the_chat)
        self._awake = False
        # The specimen of an engine goes with the engine: a switch of the resident model frees its weights.
        self._own: WeakKeyDictionary[object, Specimen] = WeakKeyDictionary()
        self._more: Specimen | None = None
        self._preparing: WeakKeyDictionary[object, Preparation] = WeakKeyDictionary()
        self._tokenizer: tuple[str, PreTrainedTokenizerBase] | None = None
        self._logits: OrderedDict[str, Logits] = OrderedDict()

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
            _one_thread()
            self._awake = True

    def tokenizer(self, name: str) -> "PreTrainedTokenizerBase":
        """The tokenizer of a loaded model. Raises ChatError(409) where that model is not loaded."""
        if self._resides(name):
            return self.resident.engine.tokenizer
        if self._more is not None and self._more.name == name:
            return self._more.tokenizer
        raise self._not_loaded(name)

    async def any_tokenizer(self, name: str) -> "PreTrainedTokenizerBase":
        """The tokenizer of any model by name; one that is not loaded is read alone, without its weights, and kept until the next."""
        try:
            return self.tokenizer(name)
        except NotLoaded:
            if self._tokenizer is None or self._tokenizer[0] != name:
                self._tokenizer = (name, await self.run(self._read_tokenizer, name))
            return self._tokenizer[1]

    async def specimen(self, name: str) -> AsyncIterator[Step | Specimen]:
        """The model called `name`, if it is resident or was loaded for X-ray: steps while it is prepared, then the specimen."""
        async for step in self.wake():
            yield step
        if self._resides(name):
            engine = self.resident.engine
            if engine in self._own:
                yield self._own[engine]
                return
            async for item in self._prepare(name, engine):
                yield item
        elif self._more is not None and self._more.name == name:
            yield self._more
        else:
            raise self._not_loaded(name)

    def note(self, name: str) -> str:
        """How the specimen called `name` relates to the model that wrote; empty before it is prepared."""
        made = self._own.get(self.resident.engine) if self._resides(name) else self._more
        return made.note if made is not None and made.name == name else ""

    async def load(self, name: str) -> AsyncIterator[Step | Specimen]:
        """Load one more model for X-ray only; the one loaded so before is freed."""
        if reason := why_not_load(self.resident.settings):
            raise ChatError(reason, status=403)
        if self._resides(name):
            raise ChatError(f"{name} is the model of this app: it is loaded already.")
        async for step in self.wake():
            yield step
        async for item in self._prepare(name, None):
            yield item

    async def logits(self, turn: Turn) -> AsyncIterator["Step | Logits"]:
        """What the model said before each token of a reply; kept for the turns looked at last, within MAX_LOGITS_BYTES."""
        from chatapp.xray.sampling import read

        if turn.id in self._logits:
            self._logits.move_to_end(turn.id)
            yield self._logits[turn.id]
            return
        specimen = None
        async for item in self.specimen(turn.model):
            if isinstance(item, Step):
                yield item
            else:
                specimen = item
        result: list[Logits] = []
        async for share in self.drive(returning(read(specimen.model, turn.prompt_ids, turn.reply_ids), result)):
            yield Step("Reading the reply", share)
        self._keep(turn.id, result[0])
        yield result[0]

    def close(self) -> None:
        """Free the models; work in progress ends first."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._own.clear()
        self._more = None
        self._logits.clear()

    def _keep(self, turn_id: str, logits: "Logits") -> None:
        self._logits[turn_id] = logits
        while len(self._logits) > 1 and sum(kept.rows.nbytes for kept in self._logits.values()) > MAX_LOGITS_BYTES:
            self._logits.popitem(last=False)

    async def _prepare(self, name: str, engine: object) -> AsyncIterator[Step | Specimen]:
        """Build the specimen on X-ray's thread and report how far it is. Who asks meanwhile, as the next view does, waits for the same."""
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

    def _build(self, name: str, engine: object, settings: Settings, told: list[Step]) -> Specimen:
        from chatapp.xray import module

        if shareable(engine):
            model, tokenizer, note = module.twin(engine.model), engine.tokenizer, f"the resident {engine.card.dtype} weights"
        else:
            if engine is None:
                self._more = None  # freed before the next one comes
            loaded = self._load(name, engine, settings, told)
            model, tokenizer, note = module.twin(loaded.model), loaded.tokenizer, "recomputed in float32"
        made = Specimen(name, model, tokenizer, " · ".join([note, *module.remarks(model)]))
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
        return load(find_source(settings), settings, lambda words, share: told.append(Step(words, share)))

    def _read_tokenizer(self, name: str) -> "PreTrainedTokenizerBase":
        from chatapp.models.loading import load_tokenizer

        if reason := why_not_load(self.resident.settings):
            raise ChatError(reason, status=403)
        settings = self.resident.settings.model_copy(update={"model": name, "revision": ""})
        return load_tokenizer(find_source(settings), settings)

    def _resides(self, name: str) -> bool:
        return self.resident.state == "ready" and self.resident.card.model == name

    def _not_loaded(self, name: str) -> NotLoaded:
        now = self.resident.card.model if self.resident.state == "ready" else "no model"
        return NotLoaded(name, now, why_not_load(self.resident.settings))


def why_not_load(settings: Settings) -> str:
    """Why nobody may have further models loaded here, in words: strangers must not fill the machine's memory or read its folders."""
    if settings.local_only:
        return ""
    return (
        "Further models are loaded only where the app is not open to everyone: by the person at this machine, "
        "with --host on it and without --share, --public or --allowed-hosts."
    )


def shareable(engine: object) -> bool:
    """Does the engine hold a model in this process, on one device that is there all the time? Then X-ray shares its weights."""
    model = getattr(engine, "model", None)
    if model is None or os.environ.get(ZEROGPU):
        return False
    return len({parameter.device for parameter in model.parameters()}) == 1


def _behind_the_chat() -> None:
    """What the model needs comes first."""
    if sys.platform == "linux":  # elsewhere a priority is the whole process's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _one_thread() -> None:
    """Beside a running chat X-ray takes one core.

    PyTorch keeps the number per thread, but a thread that starts later takes the number that was set last, by whichever thread: so the
    number from before is set again, from a thread that ends.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    restore = threading.Thread(target=torch.set_num_threads, args=(before,))
    restore.start()
    restore.join()
    for room in ROOMS:
        importlib.import_module(f"chatapp.xray.{room}")


def returning(steps: Generator[T, None, Any], result: list) -> Generator[T]:
    """Pass a generator's items on and put what it returns into `result`."""
    result.append((yield from steps))
