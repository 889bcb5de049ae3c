"""The app as a visitor meets it: started as its own process, asked through /v1 and through gradio_client."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import httpx2

from chatapp.bench.measure import Run
from chatapp.errors import ChatError
from chatapp.turn import Sampling

APP = Path(__file__).parents[2] / "app.py"
KEY = "bench"
START_SECONDS = 120


@contextmanager
def app(*flags: str) -> Iterator[str]:
    """Start the app on a free loopback port with a data folder of its own; yields its base URL once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryFile() as log:
        command = [sys.executable, str(APP), "--port", str(port), *flags]
        environment = {**os.environ, "CHATAPP_API_KEY": KEY, "CHATAPP_DATA_DIR": data}
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            wait_ready(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def wait_ready(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ChatError(f"The app ended with exit code {process.returncode} before it was ready.")
        try:
            if httpx2.get(f"{url}/healthz").status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.2)
    raise ChatError(f"The app was not ready after {START_SECONDS} s.")


def openai_reply(url: str, question: str, sampling: Sampling) -> Run:
    """One streamed reply through /v1/chat/completions."""
    body = {k: v for k, v in asdict(sampling).items() if v is not None and k != "stop"}
    body |= {"messages": [{"role": "user", "content": question}], "stream": True, "stream_options": {"include_usage": True}}
    started, first, tokens = time.perf_counter(), 0.0, 0
    headers = {"authorization": f"Bearer {KEY}"}
    with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers, timeout=300) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            if chunk["choices"] and chunk["choices"][0]["delta"].get("content"):
                first = first or time.perf_counter() - started
            if chunk.get("usage"):
                tokens = chunk["usage"]["completion_tokens"]
    return Run(tokens, first, time.perf_counter() - started)


class GradioDoor:
    """The named endpoint /chat through gradio_client."""

    def __init__(self, url: str, count_tokens) -> None:
        from gradio_client import Client

        self.client = Client(url, verbose=False)
        self.count_tokens = count_tokens

    def reply(self, question: str, sampling: Sampling) -> Run:
        """One streamed reply; its tokens are counted by the model's own tokenizer, as the door carries text only."""
        started, first, replies = time.perf_counter(), 0.0, []
        job = self.client.submit(question, temperature=sampling.temperature, max_tokens=sampling.max_tokens, api_name="/chat")
        for text in job:
            first = first or time.perf_counter() - started
            replies = [text]
        return Run(self.count_tokens("".join(replies)), first, time.perf_counter() - started)
