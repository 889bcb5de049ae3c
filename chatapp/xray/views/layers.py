"""The view Layers: what each layer would have said if it were the last one."""

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
    from chatapp.xray.lens import lens

    yield Step("Reading every layer")
    ids, model, tokenizer = [*turn.prompt_ids, *turn.reply_ids], inspected.value.model, inspected.value.tokenizer
    start = len(turn.prompt_ids) - 1 + first
    positions = list(range(start, min(start + count, len(ids) - 1)))
    view = await inspector.run(lens, model, ids[: positions[-1] + 2], positions, tokenizer)
    texts = [tokenizer.decode([ids[p + 1]]) for p in positions]
    yield view | {"reply": texts, "first": first, "note": inspected.value.note, "last": first + len(texts) >= len(turn.reply_ids)}


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
