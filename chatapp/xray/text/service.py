"""Which question about a text: it comes in with the name of a view, its progress and its data go out."""

from collections.abc import Sequence
from contextlib import ExitStack, aclosing
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.files.sentence import LONGEST
from chatapp.resident.slot import ModelSlot, looked_into
from chatapp.tasks import Step
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.query import Values
from chatapp.xray.steps import Answers, Result
from chatapp.xray.text.models import TextModels
from chatapp.xray.text.reading import Reading, read
from chatapp.xray.text.views import VIEWS
from chatapp.xray.text.which import Found


class TextService:
    """Looks at texts that nobody sent to anyone, through models that are on this machine."""

    def __init__(self, inspector: Inspector) -> None:
        self.inspector = inspector
        self.models = TextModels(inspector)

    async def look(self, view: str, text: str, found: Sequence[Found], asked: dict[str, Any], *, load: bool = False) -> Answers:
        """The answers to one question. `load`: a model that is not in memory is loaded, where whoever asks may do that."""
        if view not in VIEWS:
            raise ChatError(f"There is no view of a text named {view[:40]!r}. Reload the page.", status=404)
        if not text or len(text) > LONGEST:
            raise ChatError(f"Type a text of 1 to {LONGEST:,} characters; this one has {len(text):,}.")
        readings: list[Reading] = []
        with ExitStack() as staying:
            for one in found:  # at first, so that none leaves for another that is looked at with it
                stay(staying, one.slot)
            for one in found:
                made: Result[InspectedModel] = Result()
                async for step in made.of(self.models.inspected(one, load=load)):
                    yield step
                stay(staying, self.inspector.served.wrote(made.value.id))
                if (encoder := self.models.held(one.place)) is not None:
                    staying.enter_context(encoder.staying())
                readings.append(await self.inspector.run(read, made.value, text))
            async with aclosing(VIEWS[view](self.inspector, readings, Values(asked))) as answers:
                async for answer in answers:
                    yield answer if isinstance(answer, Step) else answer | {"view": view}


def stay(stack: ExitStack, slot: ModelSlot | None) -> None:
    """Until the stack ends; an encoder has no slot."""
    if slot is not None:
        stack.enter_context(looked_into(slot))
