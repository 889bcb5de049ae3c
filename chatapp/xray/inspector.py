"""X-ray's bench: which model it looks into, one thread for all of its work, and what was read last."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from chatapp.errors import ChatError
from chatapp.models.identity import ModelId, made_by, refuse_foreign_ids
from chatapp.models.memory import LOGITS, cache_bytes, free_memory
from chatapp.resident.manager import short_names
from chatapp.resident.slot import ModelSlot, arriving, looked_into
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray import registry
from chatapp.xray.preparing import InspectedModel, InspectedModels, read_tokenizer, why_not_load
from chatapp.xray.steps import Result, returning
from chatapp.xray.thread import XrayThread
from chatapp.xray.whose import NotLoaded, Present, called, find, not_loaded, refuse_remote

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.resident.manager import ModelManager
    from chatapp.xray.sampling import Logits

T = TypeVar("T")


class Inspector:
    """It looks into the models in memory, over the weights of their engines where it can, else over a copy."""

    def __init__(self, served: "ModelManager") -> None:
        self.served = served
        self._thread = XrayThread(f"chatapp.xray.{room}" for room in rooms())
        self.awake = self._thread.wake  # for whoever runs what needs PyTorch
        self.models = InspectedModels(self._thread, served)
        self._tokenizer: tuple[ModelId, PreTrainedTokenizerBase] | None = None
        # By turn and revision: a turn without one may be looked at by several models of its name.
        self._logits: OrderedDict[tuple[str, str], Logits] = OrderedDict()

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """One piece of work on X-ray's thread."""
        return await self._thread.run(work, *arguments)

    def drive(self, steps: Iterator[T]) -> AsyncIterator[T]:
        """A plain generator, one step at a time on X-ray's thread."""
        return self._thread.drive(steps)

    def tokenizer(self, whose: Turn | ModelId) -> "PreTrainedTokenizerBase":
        """The tokenizer of a loaded model. Raises ChatError(409) where the model that is asked for is not loaded."""
        return self._find(whose).engine.tokenizer

    async def any_tokenizer(self, model: ModelId) -> "PreTrainedTokenizerBase":
        """The tokenizer of any model; one that is not loaded is read alone, without its weights, and kept until the next."""
        try:
            return self.tokenizer(model)
        except NotLoaded:
            if reason := why_not_load(self.served.settings):
                raise ChatError(reason, status=403) from None
            if self._tokenizer is None or self._tokenizer[0] != model:
                self._tokenizer = (model, await self.run(read_tokenizer, str(model), self.served.settings))
            return self._tokenizer[1]

    def called(self, typed: str) -> ModelId:
        """The model that somebody names: a loaded one, or one to be loaded."""
        return called(typed, self._present())

    async def inspected(self, whose: Turn | ModelId) -> AsyncIterator[Step | InspectedModel]:
        """The model that wrote a turn, if it is in memory or comes: steps while it is prepared, then the inspected model."""
        async for step in self._thread.wake():
            yield step
        async for step in self.coming(whose):
            yield step
        made: Result[InspectedModel] = Result()
        async for step in made.of(self.models.prepare(self._find(whose))):
            yield step
        if isinstance(whose, Turn):
            refuse_foreign_ids(whose, made.value.vocabulary, made.value.name)
        yield made.value

    async def coming(self, whose: Turn | ModelId) -> AsyncIterator[Step]:
        """While the model that wrote a turn is being loaded. Raises ChatError where that fails."""
        slot = self.served.wrote(whose)
        if slot and slot.state == "loading":
            async for step in arriving(slot):
                yield step

    def note(self, turn: Turn) -> str:
        """How the inspected model of this turn relates to the model that wrote; empty before it is prepared, and when it is gone."""
        found = find(turn, self._present())
        made = found and self.models.ready(found.slot.engine)
        return made.note if made else ""

    async def load(self, name: str, slot: ModelSlot | None = None) -> AsyncIterator[Step | ModelSlot]:
        """Have a model loaded beside the others, as everybody's task. A known one (`slot`) loads for whoever needs it."""
        if (slot is None or slot.state == "failed") and (reason := why_not_load(self.served.settings)):
            raise ChatError(reason, status=403)
        if slot is None:
            slot = await self.served.load(name)
        slot.wake()
        async for step in arriving(slot):
            yield step
        yield slot

    async def logits(self, turn: Turn) -> AsyncIterator["Step | Logits"]:
        """What the model said before each token of a reply; kept for the turns looked at last, within the budget of all caches."""
        key = (turn.id, turn.revision)
        if key in self._logits:
            self._logits.move_to_end(key)
            yield self._logits[key]
            return
        inspected: Result[InspectedModel] = Result()
        async for step in inspected.of(self.inspected(turn)):
            yield step
        from chatapp.xray.sampling import read  # after PyTorch was woken on X-ray's thread: here it would hold up the server

        result: list[Logits] = []
        async for share in self.drive(returning(read(inspected.value.model, turn.prompt_ids, turn.reply_ids), result)):
            yield Step("Reading the reply", share)
        self._keep(key, result[0])
        yield result[0]

    def close(self) -> None:
        """Free the models; work in progress ends first."""
        self._thread.close()
        self.models.clear()
        self._logits.clear()

    def _keep(self, key: tuple[str, str], logits: "Logits") -> None:
        self._logits[key] = logits
        held = sum(kept.rows.nbytes for kept in self._logits.values())
        most = cache_bytes(LOGITS, free_memory() + held)
        while len(self._logits) > 1 and held > most:
            held -= self._logits.popitem(last=False)[1].rows.nbytes

    def _present(self) -> list[Present]:
        """The models in memory, the first one first; those of other servers are not."""
        slots = [slot for slot in self.served.slots() if slot.state == "ready" and not slot.remote]
        return [Present(slot.info.id, {slot.id, *short_names(slot)}, slot.info.vocabulary, slot) for slot in slots]

    def _find(self, whose: Turn | ModelId) -> ModelSlot:
        """Raises NotLoaded, Unsure, or ChatError for ids that the model cannot read, and for a model of another server."""
        refuse_remote(made_by(whose) if isinstance(whose, Turn) else whose)
        present = self._present()
        if found := find(whose, present):
            return found.slot
        wanted, settings = made_by(whose) if isinstance(whose, Turn) else whose, self.served.settings
        if self.served.wrote(wanted):
            raise NotLoaded(wanted, present[0].id if present else None)
        raise not_loaded(wanted, present, settings.data_dir, why_not_load(settings))


@contextmanager
def staying(served: "ModelManager", whose: Iterable[Turn | ModelId]) -> Iterator[None]:
    """Those that are known here do not leave the memory meanwhile."""
    with ExitStack() as stack:
        for slot in filter(None, map(served.wrote, whose)):
            stack.enter_context(looked_into(slot))
        yield


def rooms() -> list[str]:
    """X-ray's modules that need PyTorch."""
    return ["module", *(room for view in registry.views() for room in view.computes)]
