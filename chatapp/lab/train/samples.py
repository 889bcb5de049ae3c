"""What a snapshot of a run writes after the run's prompts, by the same random numbers as every other: a difference is what it learned."""

from collections.abc import Sequence

import torch
from transformers import DynamicCache

from chatapp.engines.direct.kvcache import cache_argument
from chatapp.models.info import context_of
from chatapp.xray.preparing import InspectedModel
from chatapp.xray.text.reading import encoded

TOKENS, TEMPERATURE, TOP_K = 24, 0.8, 50


def written(by: InspectedModel, prompts: Sequence[str], seed: int) -> list[dict[str, str]]:
    """{prompt, text} of each. Random numbers of its own: nobody else's are touched."""
    return [{"prompt": prompt, "text": after(by, prompt, seed + n)} for n, prompt in enumerate(prompts)]


def after(by: InspectedModel, prompt: str, seed: int) -> str:
    """Up to TOKENS tokens, drawn from the TOP_K likeliest."""
    room, random = context_of(by.model.config), torch.Generator().manual_seed(seed)
    ids = encoded(by.tokenizer, prompt)[0][: max(1, room // 2)]
    cache = {cache_argument(by.model): DynamicCache(config=by.model.config)}
    given, new = ids, []
    while len(new) < min(TOKENS, room - len(ids)):
        with torch.inference_mode():
            logits = by.model(torch.tensor([given], device=by.model.device), use_cache=True, logits_to_keep=1, **cache).logits[0, -1]
        best = (logits.float().cpu() / TEMPERATURE).topk(min(TOP_K, len(logits)))
        given = [int(best.indices[torch.multinomial(best.values.softmax(-1), 1, generator=random)])]
        if given[0] == by.tokenizer.eos_token_id:
            break
        new += given
    return by.tokenizer.decode(new, skip_special_tokens=True)
