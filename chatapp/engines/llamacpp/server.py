"""The parent's side of the child process: start it, notice its end, start it again."""

import json
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from chatapp.errors import ChatError

CHILD = Path(__file__).with_name("child.py")
DYING_SECONDS = 5.0
UNLOADED = "The model was unloaded; try again in a moment."


@dataclass(frozen=True)
class Address:
    """Where the server listens, and the key that it asks for."""

    host: str
    port: int
    key: str


class NativeServer:
    """llama.cpp's server in a process of its own: a crash of native code ends replies, not the app. Started by the first `address()`.

    `name` is the model's, for messages. `units` are the processor's units that the native code was compiled for, in llama.cpp's words, once
    it has started.
    """

    units = ""

    def __init__(self, options: Mapping[str, Any], name: str) -> None:
        self.options = dict(options)
        self.name = name
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._address: Address | None = None
        self.begun: Future[Address] | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.running else None

    @property
    def running(self) -> Address | None:
        """The address if the process lives; does not block."""
        process = self._process
        return self._address if process is not None and process.poll() is None else None

    def begin(self) -> "Future[Address]":
        """Start the process where there is none; the address comes when the model is loaded, or a ChatError when it cannot be."""
        with self._lock:
            if self._closed:
                raise ChatError(UNLOADED, status=503)
            if self.begun is None or (self.begun.done() and self.running is None):
                self._address, self.begun = None, Future()
                # Linux kills the child when the thread that started it ends, so it gets a thread that lives as long as it does.
                threading.Thread(target=self._keep, args=(self.begun,), name="llama.cpp server", daemon=True).start()
            return self.begun

    def address(self) -> Address:
        """The address, after starting the process where there is none. Blocks while the model loads; raises ChatError when it cannot."""
        return self.begin().result()

    def await_exit(self) -> None:
        """Wait a moment for a process that has stopped answering to be really gone, so that `address()` starts another."""
        if (process := self._process) is not None:
            try:
                process.wait(DYING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """End the process, also in the middle of loading. Running replies fail at once."""
        with self._lock:  # a process that is about to be started is not missed
            self._closed = True
        if (process := self._process) is not None:
            process.kill()
            process.wait()

    def _keep(self, started: "Future[Address]") -> None:
        with tempfile.TemporaryFile("a+b") as log:
            try:
                with self._lock:
                    if self._closed:
                        raise ChatError(UNLOADED, status=503)
                    self._process = _spawn(log, self.options["files"])
                self._address = self._hand_over(self._process, log)
                started.set_result(self._address)
            except (OSError, ChatError, ValueError, LookupError) as error:  # the last two: an answer that makes no sense
                if self._process is not None:
                    self._process.kill()
                started.set_exception(error if isinstance(error, ChatError) else ChatError(f"The model process did not start: {error}."))
            if self._process is not None:
                self._process.wait()
                self._process.stdin.close()
                self._process.stdout.close()

    def _hand_over(self, process: subprocess.Popen, log: IO[bytes]) -> Address:
        key = secrets.token_urlsafe(32)
        try:
            process.stdin.write(json.dumps({**self.options, "key": key}).encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise ChatError(self._why(process.wait(), log), status=503)
        told = json.loads(answer)
        self.units = told["units"]
        host, _, port = told["address"].removeprefix("http://").rpartition(":")
        return Address(host, int(port), key)

    def _why(self, code: int, log: IO[bytes]) -> str:
        name = self.name
        if code == -9:
            return f"{name} was stopped while it loaded, most likely for lack of memory. Try a smaller --context or --concurrency."
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
        # The first line of the level E says what was wrong, the later ones who passed it on; a Python error is in the last line.
        errors = [line.split(" E ", 1)[1].strip() for line in lines if " E " in line] or lines[-1:]
        return f"llama.cpp could not load {name}: {errors[0] if errors else f'its process ended with code {code}'}."


def _spawn(log: IO[bytes], files: Sequence[int]) -> subprocess.Popen:
    """It inherits `files`. -P keeps the folder of the script off the import path. A process group of its own: Ctrl-C is the parent's.

    Not a session of its own: Linux shares the cores between sessions first, so a thread's priority would not count against the model.
    """
    command = [sys.executable, "-P", str(CHILD)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
    return subprocess.Popen(command, **pipes, process_group=0, pass_fds=tuple(files))
