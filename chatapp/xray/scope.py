"""X-ray's bench: which module it looks through, one thread for all of its work, and what was read last."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from chatapp.engines.resident import find_source
from chatapp.errors import ChatError
from chatapp.turn import Turn

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from chatapp.engines.resident import Resident
    from chatapp.xray.sampling import Logits

T = TypeVar("T")


class NotLoaded(ChatError):
    """The reply's model is not loaded; `offer` is its name, for a button that loads it."""

    def __init__(self, name: str, now: str) -> None:
        super().__init__(
            f"This reply was made by {name}; {now} is loaded. Load {name} for X-ray to see more than what was recorded.", status=409
        )
        self.offer = name


MAX_LOGITS_BYTES = 2**30


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


class Scope:
    """Specimens are the resident model and at most one more, loaded for X-ray only; everything runs on one thread of its own."""

    def __init__(self, resident: "Resident") -> None:
        self.resident = resident
        self._thread = ThreadPoolExecutor(1, "xray", initializer=_one_thread)
        self._specimens: dict[str, tuple[object, Specimen]] = {}
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

    def tokenizer(self, name: str) -> "PreTrainedTokenizerBase":
        """The tokenizer of a loaded model. Raises ChatError(409) where that model is not loaded."""
        if self.resident.state == "ready" and self.resident.card.model == name:
            return self.resident.engine.tokenizer
        if name in self._specimens:
            return self._specimens[name][1].tokenizer
        raise self._not_loaded(name)

    async def specimen(self, name: str) -> AsyncIterator[Step | Specimen]:
        """The model called `name`, if it is resident or was loaded for X-ray: steps while it is prepared, then the specimen."""
        if self.resident.state == "ready" and self.resident.card.model == name:
            engine = self.resident.engine
            if name in self._specimens and self._specimens[name][0] is engine:
                yield self._specimens[name][1]
                return
            async for item in self._prepare(name, engine):
                yield item
        elif name in self._specimens:
            yield self._specimens[name][1]
        else:
            raise self._not_loaded(name)

    async def load(self, name: str) -> AsyncIterator[Step | Specimen]:
        """Load one more model for X-ray only; the one loaded so before is freed."""
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
        async for share in self.drive(_returning(read(specimen.model, turn.prompt_ids, turn.reply_ids), result)):
            yield Step("Reading the reply", share)
        self._keep(turn.id, result[0])
        yield result[0]

    def close(self) -> None:
        """Free the models; work in progress ends first."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._specimens.clear()
        self._logits.clear()

    def _keep(self, turn_id: str, logits: "Logits") -> None:
        self._logits[turn_id] = logits
        while len(self._logits) > 1 and sum(kept.rows.nbytes for kept in self._logits.values()) > MAX_LOGITS_BYTES:
            self._logits.popitem(last=False)

    async def _prepare(self, name: str, engine: object) -> AsyncIterator[Step | Specimen]:
        """Build the specimen on X-ray's thread and report how far it is."""
        told: list[Step] = [Step(f"Preparing {name} for X-ray")]
        yield told[0]
        building = asyncio.ensure_future(self.run(self._build, name, engine, told))
        shown = told[0]
        while not building.done():
            await asyncio.wait([building], timeout=0.2)
            if told[-1] is not shown:
                shown = told[-1]
                yield shown
        yield building.result()

    def _build(self, name: str, engine: object, told: list[Step]) -> Specimen:
        from chatapp.xray import module

        resident = getattr(engine, "model", None)
        if resident is not None:
            note = f"the resident {self.resident.card.dtype} weights"
            made = Specimen(name, module.twin(resident), engine.tokenizer, note)
        else:
            loaded = self._load(name, engine, told)
            made = Specimen(name, module.twin(loaded.model), loaded.tokenizer, "recomputed in float32")
        self._adopt(name, engine, made)
        return made

    def _load(self, name: str, engine: object, told: list[Step]):
        """The weights in float32 on the CPU: of the resident's own file, or of any other model by name."""
        from chatapp.models.loading import load

        settings = self.resident.settings
        if engine is None:
            settings = settings.model_copy(update={"model": name, "revision": ""})
        settings = settings.model_copy(update={"device": "cpu", "dtype": "float32", "engine": "direct"})
        return load(find_source(settings), settings, lambda words, share: told.append(Step(words, share)))

    def _adopt(self, name: str, engine: object, made: Specimen) -> None:
        """Keep the resident's specimen and one more."""
        resident = self.resident.card.model if self.resident.state == "ready" else None
        self._specimens = {n: kept for n, kept in self._specimens.items() if n == resident and n != name}
        self._specimens[name] = (engine, made)

    def _not_loaded(self, name: str) -> NotLoaded:
        return NotLoaded(name, self.resident.card.model if self.resident.state == "ready" else "no model")


def _one_thread() -> None:
    """Beside a running chat X-ray takes one core. PyTorch keeps the number for the calling thread."""
    import torch

    torch.set_num_threads(1)
    threading.current_thread().name = "xray"


def _returning(steps: Generator[T, None, Any], result: list) -> Generator[T]:
    """Pass a generator's items on and put what it returns into `result`."""
    result.append((yield from steps))
