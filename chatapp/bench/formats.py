"""`--formats`: one model in every number format that llama.cpp runs and package gguf can write, beside each other: speed, size, fidelity.

Speed is bare llama.cpp's, each format in a process of its own, one awake at a time. Fidelity is how far the next-token probabilities move
on a fixed text with the true words before each token: PyTorch computes them in float32 from the rounded weights, so llama.cpp's own
rounding of activations, the same for all, is left out.
"""

import asyncio
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chatapp.bench.matrix import Stage
from chatapp.bench.measure import QUESTIONS, crowd, median, rules
from chatapp.bench.peers import LlamaWay
from chatapp.bench.processes import Tree
from chatapp.engines.llamacpp.engine import Room, server_options
from chatapp.engines.llamacpp.native import native_version
from chatapp.engines.llamacpp.requantize import requantized
from chatapp.engines.llamacpp.server import NativeServer
from chatapp.errors import ChatError
from chatapp.models.convert import convert_gguf
from chatapp.models.cpu import cpu_name
from chatapp.models.gguf import GgufFile, read_gguf
from chatapp.models.loading import load_tokenizer, local_gguf
from chatapp.models.sources import resolve
from chatapp.prompt.template import render
from chatapp.sampling import Sampling
from chatapp.turn import Message

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from chatapp.settings import Settings

KINDS = ("Q8_0", "Q5_1", "Q5_0", "Q4_0", "BF16", "F16")
PEOPLE = 8
WINDOW, WINDOWS = 512, 8
TEXT = "the language reference that Python carries (pydoc_data.topics)"


@dataclass
class Format:
    """What was measured of one; the lists hold one value for each run: tokens per second."""

    kind: str
    megabytes: float
    prompt: list[float] = field(default_factory=list)
    one: list[float] = field(default_factory=list)
    eight: list[float] = field(default_factory=list)
    kl: float = 0.0
    same: float = 1.0

    def medians(self) -> dict[str, float]:
        rates = {name: round(median(getattr(self, name)), 1) for name in ("prompt", "one", "eight")}
        return rates | {"megabytes": self.megabytes, "kl_nats_per_token": round(self.kl, 5), "same_top_token": round(self.same, 4)}


def main(settings: "Settings", repeats: int, tokens: int, crowd_tokens: int) -> int:
    """`tokens` of a reply to one person, `crowd_tokens` to one of eight."""
    source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
    if not source.is_gguf:
        raise ChatError(f"--formats compares number formats of a GGUF file, and {source.name} is none.")
    file = read_gguf(local_gguf(source)[0])
    tokenizer = load_tokenizer(source, settings)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = {file.kind: file.path, **written(file, folder)}
        found = {kind: Format(kind, path.stat().st_size / 1e6) for kind, path in files.items()}
        compare(found, convert_gguf(file.path, settings.data_dir, lambda words, share: None), tokenizer)
        stage = Stage([started(kind, path, tokenizer, settings, stack) for kind, path in files.items()])
        stack.callback(stage.close)
        asyncio.run(timed(found, stage, tokenizer, repeats, (tokens, crowd_tokens)))
    print(table(found, source.name, repeats))
    numbers = {kind: format.medians() for kind, format in found.items()}
    print(json.dumps({"model": source.name, "cpu": cpu_name(), "versions": native_version(), "repeats": repeats, "formats": numbers}))
    return 0


def written(file: GgufFile, folder: Path) -> dict[str, Path]:
    """The file in every other format."""
    paths = {kind: folder / f"{kind}.gguf" for kind in KINDS if kind != file.kind}
    for kind, path in paths.items():
        for _ in requantized(file, path, kind):
            pass
    return paths


def started(kind: str, path: Path, tokenizer: "PreTrainedTokenizerBase", settings: "Settings", stack: ExitStack) -> LlamaWay:
    """llama.cpp's server on a file, asleep. It writes on where a model would end: each format is to write the same number of tokens."""
    options = server_options(path, Room(settings.context, prompt_cache=0), settings)
    server = NativeServer(options, path.name)
    stack.callback(server.close)
    address, tree = server.address(), Tree(server.pid)
    tree.pause()
    stack.callback(tree.resume)
    return LlamaWay(kind, address, tree, tokenizer, settings.context, ignore_eos=True)


async def timed(
    found: dict[str, Format], stage: Stage, tokenizer: "PreTrainedTokenizerBase", repeats: int, tokens: tuple[int, int]
) -> None:
    sampling = [Sampling(temperature=0.7, top_k=50, top_p=0.95, max_tokens=count) for count in tokens]
    for repeat in range(repeats):
        for kind in stage.in_turn(repeat):
            async with stage.alone(kind) as way:
                new = [rules(repeat), Message("user", QUESTIONS[0])]
                asked = render(new, tokenizer, context=way.context, max_tokens=sampling[0].max_tokens)
                found[kind].prompt.append(len(asked.ids) / (await way.reply(new, replace(sampling[0], max_tokens=1))).first)
                found[kind].one.append((await crowd(way, 1, sampling[0], 1000 + repeat)).rate)
                found[kind].eight.append((await crowd(way, PEOPLE, sampling[1], 8000 + repeat)).rate)
            print(f"{kind} {repeat + 1}/{repeats}", file=sys.stderr, flush=True)


def compare(found: dict[str, Format], folder: Path, tokenizer: "PreTrainedTokenizerBase") -> None:
    """Fill in `kl` and `same` of every format but the first, the one that the file has."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    texts = windows(tokenizer)
    with torch.inference_mode():
        truth = [logprobs(model, ids) for ids in texts]
        weights = {layer: layer.weight.clone() for name, layer in model.named_modules() if is_rounded(name, layer)}
        for format in list(found.values())[1:]:
            for layer, weight in weights.items():
                layer.weight.copy_(rounded(weight, format.kind))
            told = [differences(old, logprobs(model, ids)) for old, ids in zip(truth, texts, strict=True)]
            format.kl, format.same = (sum(values) / len(values) for values in zip(*told, strict=True))
            print(f"{format.kind}: {format.kl:.5f} nats, {format.same:.1%}", file=sys.stderr, flush=True)


def windows(tokenizer: "PreTrainedTokenizerBase") -> "list[torch.Tensor]":
    from pydoc_data.topics import topics

    import torch

    ids = tokenizer("\n\n".join(topics.values()), add_special_tokens=False)["input_ids"][: WINDOW * WINDOWS]
    return list(torch.tensor(ids).reshape(WINDOWS, 1, WINDOW))


def is_rounded(name: str, layer: "torch.nn.Module") -> bool:
    """The matrices of the blocks; the table of words is the head as well, and keeps its format in every file."""
    import torch

    return isinstance(layer, torch.nn.Linear) and name != "lm_head"


def rounded(weight: "torch.Tensor", kind: str) -> "torch.Tensor":
    """A matrix as a file of that format holds it: a block lies in one row, so the order of the rows, which differs there, is no matter."""
    import torch
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize, quantize

    number = GGMLQuantizationType[kind]
    return torch.from_numpy(dequantize(quantize(weight.numpy(), number), number))


def logprobs(model: "PreTrainedModel", ids: "torch.Tensor") -> "torch.Tensor":
    return model(ids).logits[0].log_softmax(-1)


def differences(old: "torch.Tensor", new: "torch.Tensor") -> tuple[float, float]:
    """(KL divergence of the new from the old in nats for each token, share of the tokens whose likeliest next one is the same)"""
    kl = (old.exp() * (old - new)).sum(-1).mean()
    return float(kl), float((old.argmax(-1) == new.argmax(-1)).float().mean())


def table(found: dict[str, Format], name: str, repeats: int) -> str:
    """For people; ratios to the file's own format, runs beside each other compared."""
    first = next(iter(found.values()))
    head = [
        f"{name} · {cpu_name()} · xllamacpp {native_version()['xllamacpp']} · load {os.getloadavg()[0]:.1f}",
        f"median of {repeats} interleaved runs (ratio to {first.kind}) · tokens per second: a new prompt, one reply, {PEOPLE} at once",
        f"KL in nats per token and same likeliest token: against {first.kind}, on {WINDOW * WINDOWS} tokens of {TEXT}",
        "",
        f"{'format':<8}{'MB':>7}{'prompt':>16}{'one person':>16}{'eight':>16}{'KL':>10}{'same top':>10}",
    ]
    return "\n".join([*head, *(row(format, first) for format in found.values())])


def row(format: Format, first: Format) -> str:
    cells = ""
    for name in ("prompt", "one", "eight"):
        rates, base = getattr(format, name), getattr(first, name)
        ratio = median(a / b for a, b in zip(rates, base, strict=True))
        cells += f"{f'{median(rates):.0f} ({ratio:.2f} ×)':>16}"
    return f"{format.kind:<8}{format.megabytes:>7.0f}{cells}{format.kl:>10.4f}{f'{100 * format.same:.1f} %':>10}"
