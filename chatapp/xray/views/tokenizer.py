"""The view Tokenizer: how tokenizers cut any pasted text, how surprised a model is by it, and what a vocabulary holds."""

from typing import TYPE_CHECKING, Any

from chatapp.errors import ChatError
from chatapp.models.identity import ModelId, made_by
from chatapp.tasks import Step
from chatapp.xray import cuts, tokens, vocabulary
from chatapp.xray.inspector import Inspector
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.query import XrayQuery
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers, Result, returning

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MAX_CHARACTERS = 100_000


async def tokenizer(inspector: Inspector, model: ModelId, text: str, other: str = "") -> Answers:
    """A text through a model's tokenizer, its kind and vocabulary in short, the same for a second one, and the two plain cuts beside."""
    _refuse_long(text)
    shown = await _cut(inspector, model, text) | {"plain": cuts.plain(text)}
    yield shown
    if other:
        yield Step(f"Reading the tokenizer of {other}")
        yield shown | {"other": await _cut(inspector, inspector.called(other), text)}


async def search(inspector: Inspector, model: ModelId, query: str) -> Answers:
    """Entries of the vocabulary that hold `query`."""
    if not query:
        raise ChatError("Type what to look for: a piece of text, or an id.")
    yield await inspector.run(vocabulary.search, inspector.tokenizer(model), query[:100])


async def perplexity(inspector: Inspector, model: ModelId, text: str) -> Answers:
    """How surprised a model is by a text of any length, running."""
    inspected: Result[InspectedModel] = Result()
    async for step in inspected.of(inspector.inspected(model)):
        yield step
    from chatapp.xray.sampling import perplexity as read

    ids = await inspector.run(_ids, inspected.value.tokenizer, text)
    async for state in inspector.drive(read(inspected.value.model, ids, text)):
        yield state


async def pasted(inspector: Inspector, model: ModelId, text: str) -> Answers:
    """Each token of a text with its probability after those before it; the first has none. Rows gathered so far."""
    tokenizer = inspector.tokenizer(model)
    ids = await inspector.run(_ids, tokenizer, text)
    reply = await inspector.run(tokens.encoded, text, tokenizer)
    rows: list[dict[str, Any] | None] = [None]
    yield {"reply": reply, "rows": rows}
    inspected: Result[InspectedModel] = Result()
    async for step in inspected.of(inspector.inspected(model)):
        yield step
    from chatapp.xray import sampling

    result: list[sampling.Logits] = []
    async for share in inspector.drive(returning(sampling.read(inspected.value.model, ids[:1], ids[1:]), result)):
        yield Step("Reading the text", share)
    async for part in inspector.drive(sampling.overview(result[0])):
        rows = rows + await inspector.run(tokens.with_texts, part, tokenizer)
        yield {"reply": reply, "rows": rows, "note": inspected.value.note}


async def _cut(inspector: Inspector, model: ModelId, text: str) -> dict[str, Any]:
    own = await inspector.any_tokenizer(model)
    encoded = await inspector.run(tokens.encoded, text, own)
    held = await inspector.run(vocabulary.vocabulary, own)
    return {"model": model.name, "encoded": encoded, "vocabulary": held, "kind": await inspector.run(cuts.kind, own)}


def _ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """The text's ids, at least two: the first one has nothing before it."""
    _refuse_long(text)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) < 2:
        raise ChatError(f"The text has {len(ids)} tokens; at least 2 are needed, because the first has nothing before it.")
    return ids


def _refuse_long(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise ChatError(f"The text has {len(text)} characters; at most {MAX_CHARACTERS} are looked at. Paste a part of it.")


def of_text(query: XrayQuery) -> tuple[Inspector, ModelId, str]:
    """What every question about a text takes."""
    return query.inspector, made_by(query.turn), query.asked.text("text")


VIEW = View(
    name="tokenizer",
    label="Tokenizer",
    group="any text",
    place=1,
    about="Any text through a {tokenizer}: type some below and see how it is cut, and what the {vocabulary} holds. "
    "Only {perplexity} and probabilities run the model.",
    questions={
        "tokenizer": lambda query: tokenizer(*of_text(query), query.asked.model("other")),
        "search": lambda query: search(query.inspector, made_by(query.turn), query.asked.text("query")),
        "perplexity": lambda query: perplexity(*of_text(query)),
        "pasted": lambda query: pasted(*of_text(query)),
    },
    computes=("sampling",),
)
