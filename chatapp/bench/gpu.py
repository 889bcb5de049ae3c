"""`make gpu-check`: engines on a CUDA GPU with random weights of known shapes, against naive generate and the memory bandwidth.

Nothing here has run on a GPU yet; on a CPU `--shape tiny` shows that it runs. The last line is JSON.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.errors import ChatError
from chatapp.models.loading import Loaded, load
from chatapp.models.memory import weight_bytes
from chatapp.models.sources import Source
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.turn import Token

if TYPE_CHECKING:
    from chatapp.engines.base import Engine

SHAPES = {
    "tiny": dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16),
    "1b": dict(hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32, num_key_value_heads=8, head_dim=64),
    "8b": dict(
        hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8, head_dim=128
    ),
}
"""Llama-3.2-1B and Llama-3.1-8B, as their config.json say."""

VOCABULARY = {"tiny": 600, "1b": 128_256, "8b": 128_256}
PROMPT_TOKENS = 64


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m chatapp.bench.gpu", description=__doc__)
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=["1b", "8b"])
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8, 32, 128])
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--device", default="cuda")
    arguments = parser.parse_args(argv)
    try:
        found = {shape: check(shape, arguments.concurrency, arguments.tokens, arguments.device) for shape in arguments.shape}
    except ChatError as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(found))
    return 0


def check(shape: str, people: list[int], tokens: int, device: str) -> dict[str, dict[str, float]]:
    """Tokens per second by way and number of people, printed as they come."""
    rows: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        write_model(shape, Path(folder))
        kinds = ("none", "int8", "int4") if device.startswith("cuda") else ("none",)
        for kind in kinds:
            measure(shape, Path(folder), Settings(device=device, quantization=kind, context=1024), people, tokens, rows)
    return rows


def write_model(shape: str, folder: Path) -> None:
    """Random weights under the tokenizer of no model: ids are all that is timed."""
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(vocab_size=VOCABULARY[shape], max_position_embeddings=8192, tie_word_embeddings=shape == "1b", **SHAPES[shape])
    torch.manual_seed(0)
    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if shape == "tiny" else torch.bfloat16)
    try:
        LlamaForCausalLM(config).save_pretrained(folder)
    finally:
        torch.set_default_dtype(dtype)
    words = {f"t{n}": n for n in range(VOCABULARY[shape])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="t0").save_pretrained(folder)


def measure(shape: str, folder: Path, settings: Settings, people: list[int], tokens: int, rows: dict[str, dict[str, float]]) -> None:
    """One quantization: naive generate, direct and batched, one after the other on the same weights."""
    from chatapp.engines.batched.engine import BatchedEngine
    from chatapp.engines.direct.engine import DirectEngine

    loaded = load(Source(shape, "folder", folder=folder), settings)

    def show(name: str, number: int, rate: float) -> None:
        rows.setdefault(f"{name} {settings.quantization}", {})[str(number)] = round(rate, 1)
        print(f"{shape:<6}{name:<12}{settings.quantization:<6}{number:>5} people{rate:>12.1f} tok/s", flush=True)

    show("ceiling", 1, ceiling(loaded))
    for number in people:
        show("naive", number, naive(loaded, number, tokens))
    _drive(lambda: DirectEngine(loaded, settings), "direct", [1], tokens, show)
    for number in people:
        batch = settings.model_copy(update={"concurrency": number})
        _drive(lambda batch=batch: BatchedEngine(loaded, batch), "batched", [number], tokens, show)


def _drive(make: "Callable[[], Engine]", name: str, people: list[int], tokens: int, show: Callable[[str, int, float], None]) -> None:
    engine = make()
    engine._ends = frozenset()  # random weights end a reply at random
    try:
        with asyncio.Runner() as loop:
            for number in people:
                loop.run(together(engine, number, 8))  # warm-up
                show(name, number, loop.run(together(engine, number, tokens)))
    finally:
        engine.close()


async def together(engine: "Engine", people: int, tokens: int) -> float:
    """Tokens per second of all replies together, each to a prompt of its own."""

    async def one(number: int) -> int:
        prompt = [(7 * number + 3 * n) % 500 + 1 for n in range(PROMPT_TOKENS)]
        sampling = Sampling(temperature=0.7, top_k=50, top_p=0.95, max_tokens=tokens)
        return sum([isinstance(event, Token) async for event in engine.generate(prompt, sampling)])

    started = time.perf_counter()
    counts = await asyncio.gather(*(one(number) for number in range(people)))
    return sum(counts) / (time.perf_counter() - started)


def naive(loaded: Loaded, people: int, tokens: int) -> float:
    """`generate` on one padded batch, as in the tutorials: its best case, since everybody begins and ends together."""
    import torch

    ids = torch.randint(1, 500, (people, PROMPT_TOKENS), device=loaded.model.device)
    options = dict(attention_mask=torch.ones_like(ids), do_sample=True, temperature=0.7, top_k=50, top_p=0.95, pad_token_id=0)
    loaded.model.generate(ids, max_new_tokens=8, **options)
    started = time.perf_counter()
    loaded.model.generate(ids, max_new_tokens=tokens, min_new_tokens=tokens, **options)
    if ids.is_cuda:
        torch.cuda.synchronize()
    return people * tokens / (time.perf_counter() - started)


def ceiling(loaded: Loaded) -> float:
    """Tokens per second for one person if reading every weight once were all there is to do."""
    import torch

    block = torch.ones(2**28 if loaded.model.device.type == "cuda" else 2**24, device=loaded.model.device)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        float(block.sum())
        seconds.append(time.perf_counter() - started)
    return block.nbytes / min(seconds) / weight_bytes(loaded.model)


if __name__ == "__main__":
    sys.exit(main())
