"""The view Architecture: what the model that wrote the reply is made of."""

from chatapp.engines.base import Engine
from chatapp.errors import ChatError
from chatapp.turn import Turn
from chatapp.xray import vocabulary
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers, Result


async def architecture(inspector: Inspector, turn: Turn, engine: Engine | None = None) -> Answers:
    """Module tree and numbers; `served` says in which form the chat runs the same model."""
    inspected: Result[InspectedModel] = Result()
    async for step in inspected.of(inspector.inspected(turn)):
        yield step
    from chatapp.xray import architecture as architectures
    from chatapp.xray import blocks

    positions = await inspector.run(architectures.positions, inspected.value.model)
    yield {
        "name": inspected.value.name,
        "summary": await inspector.run(architectures.summary, inspected.value.model, positions),
        "block": await inspector.run(blocks.explain, inspected.value.model, positions),
        "tree": await inspector.run(architectures.tree, inspected.value.model),
        "note": inspected.value.note,
        "served": served(inspector, engine, inspected.value),
    }


def served(inspector: Inspector, engine: Engine | None, inspected: InspectedModel) -> dict[str, str] | None:
    """None where another model is resident."""
    if engine is None or engine.info.id != inspected.id:
        return None
    held = next((slot.held for slot in inspector.served.slots() if slot.loaded is engine), None)
    return {"engine": engine.info.engine, "dtype": engine.info.dtype, "memory": str(held) if held else ""}


async def neighbours(inspector: Inspector, turn: Turn, token_id: int) -> Answers:
    """The tokens whose embeddings are nearest to this one's."""
    inspected: Result[InspectedModel] = Result()
    async for step in inspected.of(inspector.inspected(turn)):
        yield step
    from chatapp.xray import architecture as architectures

    model, tokenizer = inspected.value.model, inspected.value.tokenizer
    if not 0 <= token_id < inspected.value.vocabulary:
        raise ChatError(f"Token {token_id} was asked for; the embedding table has ids 0 to {inspected.value.vocabulary - 1}.")
    found = await inspector.run(architectures.neighbours, model, token_id, tokenizer)
    yield {"token": vocabulary.entry(tokenizer, token_id), "neighbours": found}


VIEW = View(
    name="model",
    label="Architecture",
    group="inside the model",
    place=3,
    about="What the model is made of: its blocks, shapes, {parameters} and memory. It is the same for every reply.",
    questions={
        "model": lambda query: architecture(query.inspector, query.turn, query.engine),
        "neighbours": lambda query: neighbours(query.inspector, query.turn, query.asked.number("token")),
    },
    computes=("architecture", "blocks"),
)
