"""What a text is asked about its models, one question a tab: attention, layers, neighbours, bertviz's views, the table by layer."""

from collections.abc import Callable, Sequence
from typing import Any

from chatapp.errors import ChatError
from chatapp.tasks import Step
from chatapp.xray import vocabulary
from chatapp.xray.inspector import Inspector
from chatapp.xray.query import Values
from chatapp.xray.steps import Answers
from chatapp.xray.text import compared
from chatapp.xray.text.reading import Reading
from chatapp.xray.views.attention import chosen_layers, frame, heads
from chatapp.xray.views.layers import MAX_POSITIONS, columns

WRITES_NONE = "An encoder writes no next token, so there is nothing that its layers could be asked for."
KINDS = ("head", "model")


async def attention(inspector: Inspector, readings: Sequence[Reading], asked: Values) -> Answers:
    """{models}: of each what X-ray's view Attention draws."""
    shown = []
    for reading in readings:
        chosen, cost = chosen_layers(reading.by, asked.text("layers"), len(reading.ids))
        yield Step(f"{reading.name}: {cost}")
        shown.append(await inspector.run(heads, reading.by, reading.ids, chosen) | {"cost": cost})
    yield {"models": shown}


async def layers(inspector: Inspector, readings: Sequence[Reading], asked: Values) -> Answers:
    """{models}: of each what X-ray's view Layers draws, from the token `first` on; {name, why_not} of an encoder."""
    first, count = asked.number("first"), asked.number("count", 16)
    if first < 0 or not 0 < count <= MAX_POSITIONS:
        raise ChatError(f"{count} positions from {first} on were asked for; 1 to {MAX_POSITIONS} from 0 on are shown at once.")
    shown = []
    for reading in readings:
        yield Step(f"Reading every layer of {reading.name}")
        shown.append({"name": reading.name} | await inspector.run(_layers, reading, first, count))
    yield {"models": shown}


def _layers(reading: Reading, first: int, count: int) -> dict[str, Any]:
    from chatapp.xray.blocks import causal

    if not causal(reading.by.model):
        return {"why_not": WRITES_NONE}
    if len(reading.ids) < 2:
        return {"why_not": "The text is one token, and the first has nothing before it."}
    first = min(first, len(reading.ids) - 2)
    view = columns(reading.by, reading.ids, first, count)
    return view | {"first": first, "last": first + len(view["reply"]) >= len(reading.ids) - 1, "numbered": first + 2}


async def neighbours(inspector: Inspector, readings: Sequence[Reading], asked: Values) -> Answers:
    """{models}: of each its tokens, the `chosen` one, which stands for the character `at`, and those whose embeddings are nearest."""
    shown = []
    for reading in readings:
        yield Step(f"Comparing {reading.by.vocabulary:,} embeddings of {reading.name}")
        shown.append(await inspector.run(_neighbours, reading, asked.number("at", -1)))
    yield {"models": shown}


def _neighbours(reading: Reading, at: int) -> dict[str, Any]:
    from chatapp.xray import architecture

    chosen, by = reading.at(at), reading.by
    token = reading.ids[chosen]
    found = architecture.neighbours(by.model, token, by.tokenizer)
    entry = vocabulary.entry(by.tokenizer, token)
    return {"name": by.name, "note": by.note, "chosen": chosen, "token": entry, "neighbours": found} | reading.cells()


async def bertviz(inspector: Inspector, readings: Sequence[Reading], asked: Values) -> Answers:
    """{models}: of each a page for a sandboxed frame."""
    from chatapp.xray import bertviz_page

    bertviz_page.refuse_missing()
    kind = asked.text("kind") or KINDS[0]
    if kind not in KINDS:
        raise ChatError(f"bertviz has no {kind[:40]!r} view here; there are: {', '.join(KINDS)}.")
    shown = []
    for reading in readings:
        yield Step(f"Building bertviz's view of {reading.name}")
        shown.append({"name": reading.name} | await inspector.run(frame, reading.by, reading.ids, kind, asked.text("layers")))
    yield {"models": shown, "kind": kind}


async def depth(inspector: Inspector, readings: Sequence[Reading], asked: Values) -> Answers:
    """{models, words}: of each what `measured` gives, and what it comes to in sentences."""
    shown = []
    for reading in readings:
        yield Step(f"Measuring every layer of {reading.name}")
        shown.append(await inspector.run(measured, reading))
    yield {"models": shown, "words": compared.words(shown)}


def measured(reading: Reading) -> dict[str, Any]:
    """{name, note, parameters, length, encoder, layers}: attention by layer; `length` of the text in tokens."""
    from chatapp.xray.blocks import causal
    from chatapp.xray.text.depth import by_layer

    model = reading.by.model
    numbers = {"parameters": model.num_parameters(), "length": len(reading.ids), "encoder": not causal(model)}
    return {"name": reading.name, "note": reading.by.note, **numbers, "layers": by_layer(model, reading.ids)}


VIEWS: dict[str, Callable[[Inspector, Sequence[Reading], Values], Answers]] = {
    "attention": attention,
    "layers": layers,
    "neighbours": neighbours,
    "bertviz": bertviz,
    "depth": depth,
}
