"""The view Attention: where each token of prompt and reply looked, in every layer and head."""

import base64
from collections.abc import Sequence
from typing import Any

from chatapp.errors import ChatError
from chatapp.models.identity import ModelId
from chatapp.tasks import Step
from chatapp.turn import Turn
from chatapp.xray.inspector import Inspector, staying
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.query import Values
from chatapp.xray.registry import View
from chatapp.xray.steps import Answers, Result

MAX_TOKENS = 1024


async def attention(inspector: Inspector, turn: Turn, layers: str = "", first: int = 0, last: int = 0, other: str = "") -> Answers:
    """Per layer the causal triangle of every head as bytes (base64), 255 is weight 1.

    `first` and `last` (0 is the end) cut the tokens shown; the model still reads everything before them. `layers` as '0-3,7' or 'all',
    empty for as many of the last ones as are small. `other` names a second loaded model, shown beside the first; neither leaves meanwhile.
    """
    ids = cut_to(turn, first, last)
    asked = (turn, inspector.called(other)) if other else (turn,)
    with staying(inspector.served, asked):
        async for item in _attention(inspector, asked, ids, layers, first):
            yield item if isinstance(item, Step) else item | {"prompt": len(turn.prompt_ids), "last": len(ids)}


async def _attention(inspector: Inspector, asked: Sequence[Turn | ModelId], ids: list[int], layers: str, first: int) -> Answers:
    models: list[InspectedModel] = []
    for whose in asked:
        inspected: Result[InspectedModel] = Result()
        async for step in inspected.of(inspector.inspected(whose)):
            yield step
        models.append(inspected.value)
    shown: list[dict[str, Any]] = []
    for inspected in models:
        own_ids, cut = await inspector.run(_cut_by, inspected, models[0], ids) if shown else (ids, "")
        begin = min(first, len(own_ids) - 1)
        chosen, cost = chosen_layers(inspected, layers, len(own_ids))
        yield Step(f"{inspected.name}: {cost}")
        shown.append(await inspector.run(heads, inspected, own_ids, chosen, begin) | {"cost": cost, "cut": cut})
    yield shown[0] | {"other": shown[1] if len(shown) > 1 else None}


async def tutorial(inspector: Inspector, turn: Turn, kind: str, layers: str, first: int = 0, last: int = 0) -> Answers:
    """bertviz's 'head' or 'model' view as an HTML page for a sandboxed frame: of the last tokens and layers that it takes."""
    from chatapp.xray import bertviz_page

    bertviz_page.refuse_missing()
    ids = cut_to(turn, first, last)
    inspected: Result[InspectedModel] = Result()
    async for step in inspected.of(inspector.inspected(turn)):
        yield step
    yield Step("Building bertviz's view")
    yield await inspector.run(frame, inspected.value, ids, kind, layers, first)


def frame(inspected: InspectedModel, ids: Sequence[int], kind: str, layers: str, first: int = 0) -> dict[str, Any]:
    """bertviz's page of the last tokens from `first` on and of the last layers that it takes, and what is left out in words."""
    from chatapp.xray import attention as attentions
    from chatapp.xray import bertviz_page

    count = inspected.model.config.get_text_config().num_hidden_layers
    chosen = (attentions.layer_numbers(layers, count) or list(range(count)))[-bertviz_page.MAX_LAYERS :]
    asked, first = len(ids) - first, max(first, len(ids) - bertviz_page.MAX_TOKENS)
    weights = attentions.attention(inspected.model, ids, chosen)
    cut = {n: w[:, first:, first:] for n, w in weights.items()}
    texts = [inspected.tokenizer.decode([i]) for i in ids[first:]]
    shown = f"{len(texts)} tokens" if len(texts) == asked else f"The last {len(texts)} of {asked} tokens"
    limits = f"bertviz takes at most {bertviz_page.MAX_TOKENS} tokens and {bertviz_page.MAX_LAYERS} layers"
    words = f"{shown} and layers {attentions.compact(chosen)} are shown: {limits}."
    return {"kind": kind, "page": bertviz_page.page(kind, cut, texts), "layers": chosen, "words": words}


def cut_to(turn: Turn, first: int, last: int) -> list[int]:
    """The ids up to `last`. Raises ChatError with the numbers for a range that is none, or too long."""
    ids = [*turn.prompt_ids, *(i for i in turn.reply_ids if i is not None)]
    end = last or len(ids)
    if not 0 <= first < end <= len(ids):
        raise ChatError(f"Tokens {first} to {end} were asked for; prompt and reply are tokens 0 to {len(ids)}.")
    if end > MAX_TOKENS:
        raise ChatError(f"{end} tokens were asked for; attention is shown for at most {MAX_TOKENS}. Choose an earlier end.")
    return ids[:end]


def chosen_layers(inspected: InspectedModel, asked: str, tokens: int) -> tuple[list[int], str]:
    """The layers to record, and what that costs, in words."""
    from chatapp.xray import attention as attentions

    count = inspected.model.config.get_text_config().num_hidden_layers
    chosen = attentions.layer_numbers(asked, count) or attentions.small(inspected.model, tokens)
    cost = attentions.cost(inspected.model, tokens, chosen)
    words = f"{cost.cells / 1e6:.1f} million weights, {cost.memory / 2**20:.0f} MiB while computing, {cost.payload / 2**20:.1f} MiB sent"
    return chosen, words


def heads(inspected: InspectedModel, ids: Sequence[int], layers: list[int], first: int = 0) -> dict[str, Any]:
    """One model's attention, ready for the page. `whole`: an encoder's, whose tokens see those behind them too."""
    from chatapp.xray import attention as attentions
    from chatapp.xray.blocks import causal

    weights, one_way = attentions.attention(inspected.model, ids, layers), causal(inspected.model)
    config = inspected.model.config.get_text_config()
    return {
        "name": inspected.name,
        "layers": {str(n): base64.b64encode(attentions.packed(w[:, first:, first:], one_way)).decode() for n, w in weights.items()},
        "kinds": {str(n): attentions.head_kinds(w, one_way) for n, w in weights.items()},
        "whole": not one_way,
        "asked": attentions.compact(layers),
        "heads": config.num_attention_heads,
        "of_layers": config.num_hidden_layers,
        "first": first,
        "tokens": [inspected.tokenizer.decode([i]) for i in ids[first:]],
        "note": inspected.note,
    }


def _cut_by(inspected: InspectedModel, own: InspectedModel, ids: Sequence[int]) -> tuple[list[int], str]:
    """The same words for another model: the same ids where the vocabularies are equal, else the text cut by its own tokenizer."""
    if inspected.tokenizer.get_vocab() == own.tokenizer.get_vocab():
        return list(ids), "the same ids"
    text = own.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    cut = inspected.tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(cut) > MAX_TOKENS:
        raise ChatError(f"{inspected.name} cuts this text into {len(cut)} tokens; attention is shown for at most {MAX_TOKENS}.")
    return cut, "the same text, cut by its own tokenizer"


def tokens_asked(asked: Values) -> tuple[str, int, int]:
    """Layers, first and last token."""
    return asked.text("layers"), asked.number("first"), asked.number("last")


VIEW = View(
    name="attention",
    label="Attention",
    group="inside the model",
    place=1,
    about="How much each token took over from the tokens before it, in every {layer} and {head}: choose a head below, then a token. "
    "Strong {attention} means that information could flow, not that it was decisive.",
    questions={
        "attention": lambda query: attention(query.inspector, query.turn, *tokens_asked(query.asked), query.asked.model("other")),
        "tutorial": lambda query: tutorial(query.inspector, query.turn, query.asked.text("kind"), *tokens_asked(query.asked)),
    },
    computes=("attention",),
)
