"""X-ray's bench: which model it looks into, one thread for all of its work, and what was read last."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from chatapp.errors import ChatError
from chatapp.models.identity import ModelId, made_by, refuse_foreign_ids
from chatapp.models.memory import LOGITS, cache_bytes, free_memory
from chatapp.settings import Settings
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray import registry
from chatapp.xray.preparing import InspectedModel, InspectedModels, read_tokenizer, why_not_load
from chatapp.xray.steps import Result, returning
from chatapp.xray.thread import XrayThread
from chatapp.xray.whose import NotLoaded, Present, called, find, not_loaded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from chatapp.engines.base import Engine
    from chatapp.resident.manager import ModelManager
    from chatapp.xray.sampling import Logits

T = TypeVar("T")


class Inspector:
    """It looks into the models in memory and at most one more, loaded for X-ray only."""

    def __init__(self, served: "ModelManager") -> None:
        self.served = served
        self._thread = XrayThread(f"chatapp.xray.{room}" for room in rooms())
        self.models = InspectedModels(self._thread)
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
        return self._find(whose).tokenizer

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
        """The model that wrote a turn, if it is resident or was loaded for X-ray: steps while it is prepared, then the inspected model."""
        async for step in self._thread.wake():
            yield step
        found = self._find(whose)
        if isinstance(found, InspectedModel):
            yield found
            return
        made: Result[InspectedModel] = Result()
        async for step in made.of(self.models.prepare(found.info.model, found, self._settings_of(found))):
            yield step
        if isinstance(whose, Turn):
            refuse_foreign_ids(whose, made.value.vocabulary, made.value.name)
        yield made.value

    def note(self, turn: Turn) -> str:
        """How the inspected model of this turn relates to the model that wrote; empty before it is prepared, and when it is gone."""
        found = find(turn, self._present())
        made = found and (found.it if isinstance(found.it, InspectedModel) else self.models.ready(found.it))
        return made.note if made else ""

    async def load(self, name: str) -> AsyncIterator[Step | InspectedModel]:
        """Load one more model for X-ray only; the one loaded so before is freed."""
        if reason := why_not_load(self.served.settings):
            raise ChatError(reason, status=403)
        if self.called(name) in [slot.info.id for slot in self.served.slots() if slot.state == "ready"]:
            raise ChatError(f"{name} is loaded already.")
        async for step in self._thread.wake():
            yield step
        async for item in self.models.prepare(name, None, self.served.settings):
            yield item

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
        """The models in memory, the first one first."""
        engines, more = [slot.engine for slot in self.served.slots() if slot.state == "ready"], self.models.more
        own = [Present(engine.info.id, engine.info.model, engine.info.vocabulary, engine) for engine in engines]
        return own + ([Present(more.id, more.name, more.vocabulary, more)] if more else [])

    def _settings_of(self, engine: "Engine") -> Settings:
        """What it was loaded by."""
        held = (slot.settings for slot in self.served.slots() if slot.state == "ready" and slot.engine is engine)
        return next(held, self.served.settings)

    def _find(self, whose: Turn | ModelId) -> "Engine | InspectedModel":
        """Raises NotLoaded, Unsure, or ChatError for ids that the model cannot read."""
        present = self._present()
        if found := find(whose, present):
            return found.it
        wanted, settings = made_by(whose) if isinstance(whose, Turn) else whose, self.served.settings
        raise not_loaded(wanted, present, settings.data_dir, why_not_load(settings))


def rooms() -> list[str]:
    """X-ray's modules that need PyTorch."""
    return ["module", *(room for view in registry.views() for room in view.computes)]
