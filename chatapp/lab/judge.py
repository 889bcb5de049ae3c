"""Replies judged: one model reads each, teacher forced, after it ended, whoever wrote it: perplexity, entropy, bits per byte.

The judge reads the question and the column's system prompt by its own template, then the reply's text as its own tokenizer cuts it, a
special token's name in it as plain text. The end of the turn is no text, so that a reply that was cut is measured as one that ended.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from chatapp.chat.build import messages_of
from chatapp.chat.job import sentence
from chatapp.errors import ChatError, closest
from chatapp.lab.answering import together
from chatapp.lab.results import Results
from chatapp.lab.rows import Row, failed, unjudged
from chatapp.models import catalog
from chatapp.prompt.guard import plain_ids
from chatapp.resident.slot import looked_into
from chatapp.xray.steps import Result, returning

if TYPE_CHECKING:
    from chatapp.lab.surprise import Surprise
    from chatapp.resident.manager import ModelManager
    from chatapp.resident.slot import ModelSlot
    from chatapp.xray.inspector import Inspector
    from chatapp.xray.preparing import InspectedModel

Judged = dict[str, Any]
"""{model, perplexity, entropy, bits_per_byte}: entropy is the mean over tokens in nats; or {model, why} where it cannot be judged."""


class Judge:
    """A model that reads by X-ray's bench. `wake` has it loaded; where that fails once, it is not tried again in this run."""

    def __init__(self, inspector: "Inspector", name: str, wake: Callable[[], Awaitable["ModelSlot"]]) -> None:
        self.inspector, self.name, self._wake = inspector, name, wake
        self._broken = ""

    async def read(self, row: Row) -> Judged:
        """What it says of a reply."""
        if self._broken or not row["reply"]:
            return {"model": self.name, "why": self._broken or "An empty reply has no tokens to be judged by."}
        try:
            slot, model = await self._ready()
        except (ChatError, RuntimeError, OSError) as error:
            self._broken = sentence(error, "making the judge ready")
            return {"model": self.name, "why": self._broken}
        try:
            with looked_into(slot):
                return {"model": slot.id, **await self._numbers(row, slot, model)}
        except (ChatError, RuntimeError) as error:
            return {"model": slot.id, "why": sentence(error, "judging")}

    async def _ready(self) -> tuple["ModelSlot", "InspectedModel"]:
        slot = await self._wake()
        engine = await slot.wait_ready()
        if engine.tokens is None:
            raise ChatError(f"{slot.id} gives text, not token ids, so it cannot judge.")
        made: Result[InspectedModel] = Result()
        async for _ in made.of(self.inspector.inspected(slot.info.id)):
            pass
        return slot, made.value

    async def _numbers(self, row: Row, slot: "ModelSlot", judge: "InspectedModel") -> Judged:
        messages = messages_of([], system=row["turn"]["system"], user=row["prompt"])
        ids = await self.inspector.run(plain_ids, row["reply"], judge.tokenizer)
        context = slot.engine.capabilities.context
        prompt = await asyncio.to_thread(slot.engine.render, messages, max_tokens=1)
        if len(prompt.ids) + len(ids) > context:
            raise ChatError(f"Prompt and reply are {len(prompt.ids) + len(ids):,} tokens to the judge, which holds {context:,}.")
        from chatapp.lab.surprise import surprise  # after PyTorch was woken on X-ray's thread
        from chatapp.xray.sampling import read

        logits: list[Any] = []
        async for _ in self.inspector.drive(returning(read(judge.model, prompt.ids, ids), logits)):
            pass
        found: list[Surprise] = []
        async for _ in self.inspector.drive(returning(surprise(logits[0]), found)):
            pass
        return numbers(found[0], row["reply"])


def numbers(found: "Surprise", text: str) -> Judged:
    """Raises ChatError for a reply that has a token of no probability at all."""
    mean = found.nats / found.tokens
    if not math.isfinite(mean) or mean > 700:
        raise ChatError("A token of the reply has no probability to the judge, so that its perplexity is no number.")
    bits = found.nats / math.log(2) / len(text.encode("utf-8", "surrogatepass"))
    return {"perplexity": math.exp(mean), "entropy": found.entropy / found.tokens, "bits_per_byte": bits}


class Judging:
    """The replies that a judge has still to read: one after the other, beside those being written, and not while `going` is cleared.

    `judged` is told each row that has its numbers, after it was written down; `done` counts what needs no reading any more.
    """

    def __init__(self, judge: Judge, results: Results, going: asyncio.Event, judged: Callable[[Row], None]) -> None:
        self.judge, self.results, self._going, self._judged = judge, results, going, judged
        self._waiting: asyncio.Queue[Row | None] = asyncio.Queue()
        left = [row for row in results.rows.values() if unjudged(row)]
        self.done = len(results.rows) - len(left)
        for row in left:
            self._waiting.put_nowait(row)

    def add(self, row: Row) -> None:
        """A reply that has ended."""
        if not failed(row):
            self._waiting.put_nowait(row)

    async def beside(self, answering: Coroutine[Any, Any, None]) -> None:
        """Judge until all is answered and judged."""
        await together((self._before_the_end(answering), self._read()))

    async def _before_the_end(self, answering: Coroutine[Any, Any, None]) -> None:
        try:
            await answering
        finally:
            self._waiting.put_nowait(None)

    async def _read(self) -> None:
        while (row := await self._waiting.get()) is not None:
            await self._going.wait()
            made = self.results.judge(row, await self.judge.read(row))
            self.done += 1
            self._judged(made)


def refuse_unknown(models: "ModelManager", name: str, *, may_load: bool) -> None:
    """A judge is one of the models here; `may_load`: or any on this machine, or one of the Hub by its whole name. Raises ChatError 422."""
    if not name:
        return
    try:
        models.find(name)
    except ChatError as error:
        if error.status == 400 or not may_load:
            raise ChatError(f"The judge: {error}", status=422) from error
        known = [one for model in catalog.here(models.settings.data_dir) for one in (model.name, model.label)]
        if "/" not in name and name not in known:
            meant = "" if "Did you mean" in str(error) else closest(name, known)
            raise ChatError(f"The judge: {error}{meant}", status=422) from error
