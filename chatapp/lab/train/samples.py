"""What a model writes after fixed prompts while it learns, with the same random numbers each time: a difference is what it learned."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase

TOKENS, TEMPERATURE, TOP_K = 24, 0.8, 50


def written(model: "GPT2LMHeadModel", tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[str], seed: int) -> list[dict[str, str]]:
    """{prompt, text} of each. Sets PyTorch's seed: the caller keeps its own random numbers."""
    room = model.config.n_positions
    asked = tokenizer(
        list(prompts), return_tensors="pt", padding=True, padding_side="left", truncation=True, max_length=max(1, room // 2)
    ).to(model.device)
    torch.manual_seed(seed)
    model.eval()
    made = model.generate(
        input_ids=asked["input_ids"],
        attention_mask=asked["attention_mask"],
        max_new_tokens=max(1, min(TOKENS, room - asked["input_ids"].shape[1])),
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=TOP_K,
        top_p=1.0,
    )
    model.train()
    new = made[:, asked["input_ids"].shape[1] :]
    texts = tokenizer.batch_decode(new, skip_special_tokens=True)
    return [{"prompt": prompt, "text": text} for prompt, text in zip(prompts, texts, strict=True)]
