"""What X-ray shows of the inside of a model while it reads a recorded turn: attention, layers, architecture. Steps first, then dicts."""

import base64
from collections.abc import Sequence
from typing import Any

from chatapp.errors import ChatError
from chatapp.turn import Turn
from chatapp.xray import vocabulary
from chatapp.xray.inspector import InspectedModel, Inspector, Step
from chatapp.xray.views import View, refuse_without_ids

MAX_ATTENTION_TOKENS = 1024
MAX_LENS_POSITIONS = 64


async def attention(inspector: Inspector, turn: Turn, layers: str = "", first: int = 0, last: int = 0, other: str = "") -> View:
    """Where each token of prompt and reply looked: per layer the causal triangle of every head as bytes (base64), 255 is weight 1.

    `first` and `last` (0 is the end) cut the tokens shown; the model still reads everything before them. `layers` as '0-3,7' or 'all',
    empty for as many of the last ones as are small. `other` names a second loaded model, shown beside the first.
    """
    ids = _range(turn, first, last)
    models: list[InspectedModel] = []
    for whose in (turn, inspector.called(other)) if other else (turn,):
        async for item in inspector.inspected(whose):
            if isinstance(item, Step):
                yield item
            else:
                models.append(item)
    shown: list[dict[str, Any]] = []
    for inspected in models:
        own_ids, cut = await inspector.run(_cut_by, inspected, models[0], ids) if shown else (ids, "")
        begin = min(first, len(own_ids) - 1)
        chosen, cost = _layers(inspected, layers, len(own_ids))
        yield Step(f"{inspected.name}: {cost}")
        shown.append(await inspector.run(_attention, inspected, own_ids, chosen, begin) | {"cost": cost, "cut": cut})
    yield shown[0] | {"prompt": len(turn.prompt_ids), "last": len(ids), "other": shown[1] if other else None}


async def tutorial(inspector: Inspector, turn: Turn, kind: str, layers: str, first: int = 0, last: int = 0) -> View:
    """bertviz's 'head' or 'model' view of the same attention, as an HTML page for a sandboxed frame."""
    from chatapp.xray import bertviz_page

    ids = _range(turn, first, last)
    async for item in inspector.inspected(turn):
        if isinstance(item, Step):
            yield item
            continue
        from chatapp.xray import attention as attentions

        count = item.model.config.get_text_config().num_hidden_layers
        chosen = attentions.layer_numbers(layers, count) or list(range(count))[-bertviz_page.MAX_LAYERS :]
        bertviz_page.refuse(len(ids) - first, len(chosen))
        yield Step("Building bertviz's view")
        weights = await inspector.run(attentions.attention, item.model, ids, chosen)
        cut = {n: w[:, first:, first:] for n, w in weights.items()}
        texts = [item.tokenizer.decode([i]) for i in ids[first:]]
        yield {"kind": kind, "page": await inspector.run(bertviz_page.page, kind, cut, texts), "layers": chosen}


def _range(turn: Turn, first: int, last: int) -> list[int]:
    """The ids up to `last`. Raises ChatError with the numbers for a range that is none, or too long."""
    ids = [*turn.prompt_ids, *(i for i in turn.reply_ids if i is not None)]
    end = last or len(ids)
    if not 0 <= first < end <= len(ids):
        raise ChatError(f"Tokens {first} to {end} were asked for; prompt and reply are tokens 0 to {len(ids)}.")
    if end > MAX_ATTENTION_TOKENS:
        raise ChatError(f"{end} tokens were asked for; attention is shown for at most {MAX_ATTENTION_TOKENS}. Choose an earlier end.")
    return ids[:end]


def _layers(inspected: InspectedModel, asked: str, tokens: int) -> tuple[list[int], str]:
    """The layers to record, and what that costs, in words."""
    from chatapp.xray import attention as attentions

    count = inspected.model.config.get_text_config().num_hidden_layers
    chosen = attentions.layer_numbers(asked, count) or attentions.small(inspected.model, tokens)
    cost = attentions.cost(inspected.model, tokens, chosen)
    words = f"{cost.cells / 1e6:.1f} million weights, {cost.memory / 2**20:.0f} MiB while computing, {cost.payload / 2**20:.1f} MiB sent"
    return chosen, words


def _attention(inspected: InspectedModel, ids: Sequence[int], layers: list[int], first: int) -> dict[str, Any]:
    """One model's attention, ready for the page."""
    from chatapp.xray import attention as attentions

    weights = attentions.attention(inspected.model, ids, layers)
    return {
        "name": inspected.name,
        "layers": {str(n): base64.b64encode(attentions.lower_triangle(w[:, first:, first:])).decode() for n, w in weights.items()},
        "asked": attentions.compact(layers),
        "heads": inspected.model.config.get_text_config().num_attention_heads,
        "of_layers": inspected.model.config.get_text_config().num_hidden_layers,
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
    if len(cut) > MAX_ATTENTION_TOKENS:
        raise ChatError(f"{inspected.name} cuts this text into {len(cut)} tokens; attention is shown for at most {MAX_ATTENTION_TOKENS}.")
    return cut, "the same text, cut by its own tokenizer"


async def lens(inspector: Inspector, turn: Turn, first: int, count: int) -> View:
    """What every layer would have said before `count` tokens of the reply, from its token `first` on."""
    refuse_without_ids(turn)
    if not 0 <= first < len(turn.reply_ids):
        raise ChatError(f"Token {first} was asked for; this reply has tokens 0 to {len(turn.reply_ids) - 1}.")
    if not 0 < count <= MAX_LENS_POSITIONS:
        raise ChatError(f"{count} positions were asked for; 1 to {MAX_LENS_POSITIONS} are shown at once.")
    ids = [*turn.prompt_ids, *turn.reply_ids]
    start = len(turn.prompt_ids) - 1 + first
    positions = list(range(start, min(start + count, len(ids) - 1)))
    async for item in inspector.inspected(turn):
        if isinstance(item, Step):
            yield item
        else:
            from chatapp.xray import lens as lenses

            yield Step("Reading every layer")
            view = await inspector.run(lenses.lens, item.model, ids[: positions[-1] + 2], positions, item.tokenizer)
            texts = [item.tokenizer.decode([ids[p + 1]]) for p in positions]
            yield view | {"reply": texts, "first": first, "note": item.note, "last": first + len(texts) >= len(turn.reply_ids)}


async def architecture(inspector: Inspector, turn: Turn) -> View:
    """Module tree and numbers of the model that wrote the reply."""
    async for item in inspector.inspected(turn):
        if isinstance(item, Step):
            yield item
        else:
            from chatapp.xray import architecture as architectures

            yield {
                "name": item.name,
                "summary": await inspector.run(architectures.summary, item.model),
                "tree": await inspector.run(architectures.tree, item.model),
                "note": item.note,
            }


async def neighbours(inspector: Inspector, turn: Turn, token_id: int) -> View:
    """The tokens whose embeddings are nearest to this one's."""
    async for item in inspector.inspected(turn):
        if isinstance(item, Step):
            yield item
            continue
        from chatapp.xray import architecture as architectures

        entries = item.model.get_input_embeddings().num_embeddings
        if not 0 <= token_id < entries:
            raise ChatError(f"Token {token_id} was asked for; the embedding table has ids 0 to {entries - 1}.")
        found = await inspector.run(architectures.neighbours, item.model, token_id, item.tokenizer)
        yield {"token": vocabulary.entry(item.tokenizer, token_id), "neighbours": found}
