"""What the slider shows of one snapshot of a run: next tokens, attention, layers and neighbours of a prompt, by X-ray's functions."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError, NotFound
from chatapp.models.hub import no_progress
from chatapp.models.memory import weight_bytes
from chatapp.settings import Settings
from chatapp.tasks import Step
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.query import Values
from chatapp.xray.steps import Answers
from chatapp.xray.text import views
from chatapp.xray.text.models import read_alone
from chatapp.xray.text.reading import Reading, read
from chatapp.xray.text.which import located

LONGEST = 1000
"""Characters of a prompt."""

TOP = 10
MOST_BYTES = 256 * 2**20
"""Of weights that are kept: going back and forth over some thirty snapshots of the usual size reads each once."""


class Snapshots:
    """Looks into the snapshots of runs, on X-ray's thread; those looked at last are kept, within MOST_BYTES, one at least."""

    def __init__(self, inspector: Inspector, settings: Settings, most: int = MOST_BYTES) -> None:
        self.inspector, self.settings, self.most = inspector, settings, most
        self._kept: OrderedDict[tuple[Path, int], InspectedModel] = OrderedDict()

    async def look(self, view: str, folder: Path, prompt: str, asked: dict[str, Any]) -> Answers:
        """The answers to one question about a snapshot's folder. Raises ChatError for wrong ones, NotFound where it was deleted."""
        if view not in VIEWS:
            raise ChatError(f"There is no view of a snapshot named {view[:40]!r}. Reload the page.", status=404)
        if not prompt or len(prompt) > LONGEST:
            raise ChatError(f"Type a prompt of 1 to {LONGEST:,} characters; this one has {len(prompt):,}.", status=422)
        async for step in self.inspector.awake():
            yield step
        by = await self.inspector.run(self.model, folder)
        reading = await self.inspector.run(read, by, prompt)
        async with aclosing(VIEWS[view](self.inspector, [reading], Values(asked))) as answers:
            async for answer in answers:
                yield answer if isinstance(answer, Step) else answer | {"view": view, "step": step_of(folder)}

    async def samples(self, folder: Path, prompts: Sequence[str], seed: int) -> list[dict[str, str]]:
        """{prompt, text} of each: what it writes. Raises NotFound where it was deleted."""
        async for _ in self.inspector.awake():
            pass
        from chatapp.lab.train import samples

        by = await self.inspector.run(self.model, folder)
        return await self.inspector.run(samples.written, by, prompts, seed)

    def model(self, folder: Path) -> InspectedModel:
        """The model of a snapshot's folder, read once while it is kept. On X-ray's thread."""
        try:
            key = folder, (folder / "model.safetensors").stat().st_mtime_ns
        except OSError as error:
            raise NotFound(f"The snapshot of {named(folder)}") from error
        if key not in self._kept:
            found = located(self.settings.model_copy(update={"model": str(folder), "revision": ""}))
            self._kept[key] = replace(read_alone(found, self.settings, no_progress), name=named(folder))
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and self.held > self.most:
            self._kept.popitem(last=False)
        return self._kept[key]

    @property
    def held(self) -> int:
        """Bytes of weights that are kept."""
        return sum(weight_bytes(kept.model) for kept in self._kept.values())


def step_of(folder: Path) -> int | None:
    """The step after which a snapshot was written, by its folder's name; None of another folder."""
    _, _, number = folder.name.rpartition("step-")
    return int(number) if number.isdecimal() else None


def named(folder: Path) -> str:
    """As a person reads it."""
    step = step_of(folder)
    return folder.name if step is None else f"step {step:,}"


async def next_tokens(inspector: Inspector, readings: Sequence[Reading], asked: Values) -> Answers:
    """{models}: of each {name, top, bits}."""
    yield {"models": [await inspector.run(likeliest, reading) for reading in readings]}


def likeliest(reading: Reading, top: int = TOP) -> dict[str, Any]:
    """`top` candidates after the whole text as (id, probability, text), and the entropy of all in bits."""
    import torch

    by = reading.by
    with torch.inference_mode():
        logits = by.model(torch.tensor([reading.ids], device=by.model.device), use_cache=False, logits_to_keep=1).logits[0, -1].float()
        logs = logits.log_softmax(-1)
        values, ids = logs.exp().topk(min(top, len(logs)))
        bits = -float((logs.exp() * logs).sum()) / math.log(2)
    candidates = [(int(i), float(p), by.tokenizer.decode([int(i)])) for i, p in zip(ids, values, strict=True)]
    return {"name": by.name, "top": candidates, "bits": bits}


VIEWS: dict[str, Callable[[Inspector, Sequence[Reading], Values], Answers]] = {
    "next": next_tokens,
    "attention": views.attention,
    "layers": views.layers,
    "neighbours": views.neighbours,
}
