"""Classifying in the app: which classifiers are in memory, and a text or a table through one of them, on X-ray's thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, aclosing
from dataclasses import dataclass
from pathlib import Path

from chatapp.errors import ChatError
from chatapp.lab.classify import table as many
from chatapp.lab.classify.classifier import Classifier, refuse_length, steps
from chatapp.lab.classify.head import HeadClassifier, read
from chatapp.lab.classify.which import place_of
from chatapp.lab.classify.words import measured
from chatapp.lab.classify.zero_shot import PROMPT, zero_shot
from chatapp.models.memory import weight_bytes
from chatapp.resident.copies import Unserved
from chatapp.resident.slot import ModelSlot, looked_into
from chatapp.settings import Settings
from chatapp.tasks import Step
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.steps import Answers, Result, returning

SHOWN = 200
"""Rows of a table that a page draws; its file holds all."""


@dataclass(frozen=True)
class Wanted:
    """What classifies: a model with a head by its name, '' for the first; with `labels` a chat model in memory, by how likely each is."""

    model: str = ""
    labels: tuple[str, ...] = ()
    prompt: str = ""


class ClassifyService:
    """`inspector` lends its thread: work here comes after whoever is being answered."""

    def __init__(self, inspector: Inspector, settings: Settings) -> None:
        self.inspector = inspector
        self.settings = settings
        self._beside = inspector.served.copies
        self._one = asyncio.Lock()

    def held(self) -> dict[Path, HeadClassifier]:
        """Those in memory, by folder, the one used longest ago first."""
        return {one.place: one.it for one in self._beside.unserved("classifier")}

    def chats(self) -> list[ModelSlot]:
        """The chat models in memory; of those that other servers run no probabilities are had."""
        return [slot for slot in self.inspector.served.slots() if slot.state == "ready" and not slot.remote]

    async def opened(self, wanted: Wanted, staying: ExitStack, *, local: bool) -> AsyncIterator[Step | Classifier]:
        """Steps while it is made ready, then the classifier; a chat model stays in memory until `staying` ends."""
        work = self._zero_shot(wanted, staying) if wanted.labels else self._head(wanted.model, staying, local=local)
        async with aclosing(work) as items:
            async for item in items:
                yield item

    async def _zero_shot(self, wanted: Wanted, staying: ExitStack) -> AsyncIterator[Step | Classifier]:
        """By X-ray's module over the weights of a model in memory."""
        slot = next((slot for slot in self.chats() if wanted.model in ("", slot.id)), None)
        if slot is None:
            raise ChatError(f"{wanted.model or 'A chat model'} is not loaded. Load it in the chat or on the page Models.", status=409)
        staying.enter_context(looked_into(slot))
        made: Result[InspectedModel] = Result()
        async for step in made.of(self.inspector.inspected(slot.info.id)):
            yield step
        yield zero_shot(made.value, wanted.labels, wanted.prompt or PROMPT)

    async def _head(self, name: str, staying: ExitStack, *, local: bool) -> AsyncIterator[Step | Classifier]:
        """Others than the person at this machine (`local`) have those in memory alone."""
        if local:
            label, place = await asyncio.to_thread(place_of, name, self.settings)
            if self._beside.find("classifier", place) is None:
                yield Step(f"Loading {label}")
                async for step in self.inspector.awake():
                    yield step
            kept = await self._read(place, label)
        else:
            kept = self._known(name)
        staying.enter_context(kept.staying())
        yield kept.it

    def _known(self, name: str) -> Unserved:
        """One in memory; of several of a name the one used last."""
        there = self._beside.unserved("classifier")
        found = next((one for one in reversed(there) if name in ("", one.it.name)), None)
        if found is None:
            names = ", ".join(one.it.name for one in there) or "none"
            raise ChatError(
                f"{name or 'A classifier'} is not loaded here. Loaded are: {names}. The person at this machine loads more.", status=404
            )
        return found

    async def _read(self, place: Path, label: str) -> Unserved:
        """One after the other: who asks for the same meanwhile waits for it."""
        async with self._one:
            if kept := self._beside.find("classifier", place):
                return kept
            made = await self.inspector.run(read, place, label)
            kept = Unserved("classifier", label, place, made, weight_bytes(made.model))
            self._beside.put(kept)
            return kept

    async def look(self, wanted: Wanted, text: str, *, local: bool) -> Answers:
        """The steps of a text; then the same with `words`, which take a reading each."""
        refuse_length(text)
        made: Result[Classifier] = Result()
        with ExitStack() as staying:
            async for step in made.of(self.opened(wanted, staying, local=local)):
                yield step
            found = await self.inspector.run(steps, made.value, text)
            yield found
            result: list = []
            work = returning(measured(made.value, found["read"], found["decided"]), result)
            async with aclosing(self.inspector.drive(work)) as shares:
                async for share in shares:
                    yield Step("Leaving out each word", share)
            yield found | result[0]

    async def table(self, wanted: Wanted, table: many.Table, *, local: bool) -> Answers:
        """Predictions of a table; `rows` are the first SHOWN, where labels are known the wrong ones first, `csv` holds all."""
        made: Result[Classifier] = Result()
        with ExitStack() as staying:
            async for step in made.of(self.opened(wanted, staying, local=local)):
                yield step
            result: list = []
            work = returning(many.classified(made.value, table), result)
            async with aclosing(self.inspector.drive(work)) as counts:
                async for done, count in counts:
                    yield Step(f"{done:,} of {count:,} texts", done / count)
        found = result[0]
        rows = sorted(found["rows"], key=lambda row: "truth" not in row or row["truth"] == row["label"])[:SHOWN]
        yield found | {"model": made.value.name, "count": len(found["rows"]), "rows": rows, "csv": many.as_csv(found)}
