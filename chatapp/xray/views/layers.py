"""The view Layers: what each layer would have said if it were the last one."""

from collections.abc import Sequence
from typing import Any

from chatapp.errors import ChatError
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray import tokens
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers, Result

MAX_POSITIONS = 64


async def layers(inspector: Inspector, turn: Turn, first: int, count: int) -> Answers:
    """Every layer's candidates before `count` tokens of the reply, from its token `first` on."""
    tokens.refuse_without_ids(turn)
    if not 0 <= first < len(turn.reply_ids):
        raise ChatError(f"Token {first} was asked for; this reply has tokens 0 to {len(turn.reply_ids) - 1}.")
    if not 0 < count <= MAX_POSITIONS:
        raise ChatError(f"{count} positions were asked for; 1 to {MAX_POSITIONS} are shown at once.")
    inspected: Result[InspectedModel] = Result()
    async for step in inspected.of(inspector.inspected(turn)):
        yield step
    yield Step("Reading every layer")
    ids, start = [*turn.prompt_ids, *turn.reply_ids], len(turn.prompt_ids) - 1 + first
    view = await inspector.run(columns, inspected.value, ids, start, count)
    last = first + len(view["reply"]) >= len(turn.reply_ids)
    yield view | {"first": first, "last": last, "numbered": first + 1}


def columns(inspected: InspectedModel, ids: Sequence[int], start: int, count: int) -> dict[str, Any]:
    """Every layer's candidates after each of `count` tokens from `start` on, and the tokens that came, as text."""
    from chatapp.xray.lens import lens

    positions = list(range(start, min(start + count, len(ids) - 1)))
    view = lens(inspected.model, ids[: positions[-1] + 2], positions, inspected.tokenizer)
    return view | {"reply": [inspected.tokenizer.decode([ids[p + 1]]) for p in positions], "note": inspected.note}


VIEW = View(
    name="layers",
    label="Layers",
    group="inside the model",
    place=2,
    about="What each {layer} would have said if it were the last one ({logit lens}): one column a token, read from below upwards. "
    "Early layers do not speak this language, so their guesses are rough.",
    questions={
        "layers": lambda query: layers(query.inspector, query.turn, query.asked.number("first"), query.asked.number("count", 16)),
    },
    computes=("lens",),
)
