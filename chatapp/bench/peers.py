"""Other programs with the same model, threads and context: llama.cpp's server driven bare, and `transformers serve`."""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx2

from chatapp.bench.doors import openai_client, openai_stream
from chatapp.bench.measure import Run
from chatapp.bench.processes import Tree, free_port, server
from chatapp.engines.llamacpp.client import events
from chatapp.engines.llamacpp.engine import SAMPLERS
from chatapp.engines.llamacpp.server import Address, NativeServer
from chatapp.errors import ChatError
from chatapp.prompt.template import render
from chatapp.sampling import Sampling
from chatapp.turn import Message

PAGE = 32
"""Tokens in a page of serve's KV cache, as in our own batched engine on a CPU."""


class LlamaWay:
    """llama.cpp's /completion, asked with ids by the quickest client we have, and with nothing else of ours but the samplers' order.

    So it draws the same tokens as the engine, and as many. `more` goes into each request.
    """

    def __init__(self, name: str, address: Address, tree: Tree, tokenizer, context: int, **more: bool) -> None:
        self.name, self.trees, self.context = name, (tree,), context
        self._address, self._tokenizer, self._more = address, tokenizer, more

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        started, first, tokens, text = time.perf_counter(), 0.0, 0, []
        prompt = render(messages, self._tokenizer, context=self.context, max_tokens=sampling.max_tokens)
        names = ("temperature", "top_k", "top_p", "min_p", "seed")
        body = {name: getattr(sampling, name) for name in names} | {
            "prompt": list(prompt.ids),
            "n_predict": sampling.max_tokens,
            "samplers": list(SAMPLERS.values()),
            **self._more,
        }
        async for answer in events(self._address, "/completion", body | {"stream": True, "cache_prompt": True, "return_tokens": True}):
            if answer["stop"]:
                break
            first = first or time.perf_counter() - started
            tokens += len(answer["tokens"])
            text.append(answer["content"])
        return Run(tokens, first, time.perf_counter() - started, text="".join(text))


@contextmanager
def bare_llama(engine) -> Iterator[LlamaWay]:
    """The engine's own binary with its own file, threads, slots and context, without speculation."""
    native = NativeServer({**engine.server.options, "draft": 0}, "llama.cpp")
    try:
        address = native.address()
        yield LlamaWay("llamacpp", address, Tree(native.pid), engine.tokenizer, engine.capabilities.context)
    finally:
        native.close()


@contextmanager
def native_llama(engine) -> Iterator[LlamaWay | None]:
    """A `llama-server` that somebody built on this machine, with the same numbers; None where there is none."""
    if (program := shutil.which("llama-server")) is None:
        yield None
        return
    options, port = engine.server.options, free_port()
    numbers = {"-t": options["threads"], "-np": options["slots"], "-c": options["slots"] * options["context"], "-b": options["batch"]}
    flags = [str(word) for pair in numbers.items() for word in pair]
    command = [program, "-m", options["model"], "--host", "127.0.0.1", "--port", str(port), "--no-webui", *flags]
    with server(command, {}, f"http://127.0.0.1:{port}/health") as process:
        yield LlamaWay("llamacpp_native", Address("127.0.0.1", port, ""), Tree(process.pid), engine.tokenizer, options["context"])


class ServeWay:
    """`transformers serve --dtype float32`, plain or with its own continuous batching."""

    def __init__(self, name: str, url: str, folder: Path, tree: Tree) -> None:
        self.name, self.trees = name, (tree,)
        self._client, self._folder = openai_client(url), folder

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        body = {"model": str(self._folder), "messages": [asdict(m) for m in messages], "stream": True}
        body |= {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens}
        body["generation_config"] = json.dumps(
            {"do_sample": not sampling.greedy, "top_k": sampling.top_k, "max_new_tokens": sampling.max_tokens}
        )
        try:
            return await openai_stream(self._client, body)
        except httpx2.TransportError as error:
            raise ChatError(f"{self.name} broke the connection off: {error}") from error


@contextmanager
def serve(folder: Path, threads: int, room: int = 0) -> Iterator[ServeWay]:
    """Plain, or batching with `room` tokens of KV cache for all: else it takes most of the memory there is.

    Needs fastapi and uvicorn, which Gradio brings, and openai (requirements-bench.txt).
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    batching = ["--continuous-batching", "--cb-block-size", str(PAGE), "--cb-num-blocks", str(room // PAGE + 1)]
    program = str(Path(sys.executable).with_name("transformers"))
    flags = ["--dtype", "float32", "--device", "cpu", "--port", str(port), *(batching if room else [])]
    environment = {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    with server([program, "serve", str(folder), *flags], environment, f"{url}/health") as process:
        yield ServeWay("serve_batching" if room else "serve", url, folder, Tree(process.pid))
