"""What a model makes of chats that it did not learn: its loss on their replies, and what it answers itself."""

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import torch

from chatapp.errors import ChatError
from chatapp.lab.finetune.learning import nats, together
from chatapp.lab.finetune.rows import Row, asked_ids
from chatapp.models.memory import HEADROOM, free_bytes, gigabytes, weight_bytes
from chatapp.prompt.template import stop_strings
from chatapp.tasks import Progress

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

SHOWN = 3
"""Replies that are written before and after."""

TOKENS = 64
"""Of such a reply at most."""


def loss(model: Any, rows: Sequence[Row], tell: Progress) -> float:
    """Nats per token of the replies."""
    total, done = 0.0, 0
    with torch.no_grad():
        for part in together(rows):
            tell("Measuring on what is held out", done / len(rows))
            total += float(nats(model, part))
            done += len(part)
    return total / sum(row.learned for row in rows)


def perplexity(nats_per_token: float) -> float:
    """inf where that is larger than a float holds."""
    return math.exp(nats_per_token) if nats_per_token < 700 else math.inf


def replies(model: Any, rows: Sequence[Row], tokenizer: "Tokenizer", ends: Collection[int], length: int, tell: Progress) -> list[str]:
    """Greedy ones to the first SHOWN of the prompts; ' …' where they were cut."""
    found = []
    for n, row in enumerate(rows[:SHOWN]):
        tell("Writing replies to what is held out", n / len(rows[:SHOWN]))
        found.append(_reply(model, asked_ids(row.chat, tokenizer, length), tokenizer, ends))
    return found


def _reply(model: Any, asked: Sequence[int], tokenizer: "Tokenizer", ends: Collection[int]) -> str:
    ids = torch.tensor([asked], device=model.device)
    made = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=TOKENS,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        eos_token_id=sorted(ends) or None,
        pad_token_id=min(ends, default=0),
    )[0, len(asked) :].tolist()
    text = tokenizer.decode(made, skip_special_tokens=True)
    for stop in stop_strings(tokenizer):
        if stop in text:
            return text.partition(stop)[0].strip()
    return text.strip() + ("" if made and made[-1] in ends else " …")


def needed(model: Any, rows: Sequence[Row], numbers: int) -> int:
    """Bytes of a step beside the weights, at most. `numbers` are the adapter's.

    Per token at once: the logits three times in float32, and of each layer what backpropagation keeps: about 34 widths, and a row of
    attention for each head (measured: 1.04 GB for 4 × 86 tokens of SmolLM2-135M, 3.8 GB for 918; this says 1.2 and 4.0).
    """
    config = model.config.get_text_config()
    layers, heads = config.num_hidden_layers, config.num_attention_heads
    sizes = ((len(part), max(len(row.ids) for row in part)) for part in together(rows))
    numbers_at_once = max(n * width * (3 * config.vocab_size + layers * (34 * config.hidden_size + heads * width)) for n, width in sizes)
    return int(HEADROOM * 4 * numbers_at_once + 16 * numbers)


def refuse_memory(model: Any, rows: Sequence[Row], numbers: int) -> None:
    """Raises ChatError with the numbers where a step does not fit."""
    if (size := needed(model, rows, numbers)) > (free := free_bytes(str(model.device))):
        raise ChatError(
            f"Learning needs {gigabytes(size)} of memory beside the weights ({gigabytes(weight_bytes(model))}), and "
            f"{gigabytes(free)} are free. Close something, give shorter chats, or choose a smaller model."
        )
