"""The naive way everybody starts with: `generate` in a thread, read through a TextIteratorStreamer. In a process of its own, so that its
idle threads disturb nobody: run as a script it answers JSON lines.
"""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from chatapp.bench.measure import Run
from chatapp.bench.processes import Tree
from chatapp.prompt.template import render
from chatapp.sampling import Sampling
from chatapp.turn import Message

CONTEXT = 8192


class NaiveWay:
    """The client's side. People wait for each other, as under Gradio's default queue."""

    name = "naive"

    def __init__(self, process: asyncio.subprocess.Process, facts: dict[str, float]) -> None:
        self._process = process
        self._lock = asyncio.Lock()
        self.trees = (Tree(process.pid),)
        self.bandwidth, self.weight_bytes = facts["bandwidth"], facts["weight_bytes"]

    @classmethod
    async def start(cls, folder: Path, threads: int) -> "NaiveWay":
        command = (sys.executable, "-m", "chatapp.bench.naive", str(folder), str(threads))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=2**24)
        return cls(process, json.loads(await process.stdout.readline()))

    async def reply(self, messages: Sequence[Message], sampling: Sampling) -> Run:
        started = time.perf_counter()
        async with self._lock:
            request = {"messages": [asdict(m) for m in messages], "sampling": asdict(sampling)}
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            await self._process.stdout.readline()
            first = time.perf_counter() - started
            answer = json.loads(await self._process.stdout.readline())
        return Run(answer["tokens"], first, time.perf_counter() - started, text=answer["text"])

    async def close(self) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


class Naive:
    """A float32 transformers model on the CPU, driven as in the tutorials."""

    def __init__(self, folder: str, threads: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(threads)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        self.weight_bytes = sum(p.nbytes for p in self.model.parameters())

    def reply(self, messages: list[dict[str, str]], sampling: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """{} when the first text is there, then the whole text and the number of its tokens, counted from ids."""
        import torch
        from transformers import TextIteratorStreamer

        prompt = render([Message(**m) for m in messages], self.tokenizer, context=CONTEXT, max_tokens=sampling["max_tokens"])
        ids = torch.tensor([prompt.ids])
        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        drawn = {k: sampling[k] for k in ("temperature", "top_k", "top_p")} if sampling["temperature"] else {}
        options = {"do_sample": bool(drawn), "max_new_tokens": sampling["max_tokens"], "streamer": streamer, **drawn}
        ended: list[int] = []
        worker = threading.Thread(
            target=lambda: ended.append(self.model.generate(ids, attention_mask=torch.ones_like(ids), **options).shape[1])
        )
        worker.start()
        pieces = []
        for piece in streamer:
            if piece and not any(pieces):
                yield {}
            pieces.append(piece)
        worker.join()
        if not any(pieces):
            yield {}
        yield {"tokens": ended[0] - ids.shape[1], "text": "".join(pieces)}


def read_bandwidth(threads: int) -> float:
    """Bytes per second this machine reads from memory with `threads` threads: the best of 5 sums over 512 MiB."""
    import torch

    torch.set_num_threads(threads)
    block = torch.ones(128 * 2**20, dtype=torch.float32)
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        block.sum()
        seconds.append(time.perf_counter() - started)
    return block.nbytes / min(seconds)


def main() -> None:
    """stdin: one request a line. stdout: facts of the machine once, then the lines of each reply."""
    folder, threads = sys.argv[1], int(sys.argv[2])
    naive = Naive(folder, threads)
    print(json.dumps({"bandwidth": read_bandwidth(threads), "weight_bytes": naive.weight_bytes}), flush=True)
    for line in sys.stdin:
        for answer in naive.reply(**json.loads(line)):
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
