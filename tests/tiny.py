"""Tiny random models with a tokenizer trained in-process, so that tests need no download."""

import shutil
from pathlib import Path

CORPUS = [
    "The capital of France is Paris. A transformer reads tokens and predicts the next one.",
    "user assistant system hello world how are you today? I am fine, thank you. 😀 你好 مرحبا",
    "def f(x):\n    return x ** 2\n\nprint(f(3))  # nine",
] * 20
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def make_tokenizer(chat_template: str | None):
    """Byte-level BPE, 600 entries; <|im_end|> ends a turn, <|endoftext|> a text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    raw.train_from_iterator(CORPUS, trainer)
    end = "<|im_end|>" if chat_template else "<|endoftext|>"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<|endoftext|>",
        eos_token=end,
        pad_token="<|endoftext|>",
        extra_special_tokens=["<|im_start|>", "<|im_end|>"],
    )
    tokenizer.chat_template = chat_template
    return tokenizer


def make_tiny(kind: str, folder: Path, *, chat_template: str | None, context: int = 2048) -> Path:
    """Write a random model of `kind` (llama, gpt2, …: any name of transformers' CONFIG_MAPPING with Llama-like fields) into `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, GPT2Config
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    tokenizer = make_tokenizer(chat_template)
    ids = dict(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    if kind == "gpt2":
        config = GPT2Config(n_layer=2, n_head=4, n_embd=64, n_positions=context, **ids)
    else:
        config = CONFIG_MAPPING[kind](
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=16,
            max_position_embeddings=context,
            **ids,
        )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    # Random weights of the usual scale give nearly uniform, tie-prone logits; wider ones make greedy paths distinct.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def one_more_step(folder: Path, target: Path) -> Path:
    """The next checkpoint of the same run: one step of SGD at a small rate, saved with the same configuration and tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(folder, target)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.arange(3, 40)[None]
    model(input_ids=ids, labels=ids).loss.backward()
    torch.optim.SGD(model.parameters(), lr=1e-4).step()
    model.save_pretrained(target)
    return target
