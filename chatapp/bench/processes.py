"""The processes of a benchmark: started on loopback, paused while others are measured, with their CPU seconds and peak memory."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import psutil

from chatapp.errors import ChatError

START_SECONDS = 300
LOOK = 0.05
"""Seconds between two looks whether a server answers."""


class Tree:
    """A process and its children. Their threads share the cores with whoever is measured, so they sleep meanwhile: SIGSTOP, SIGCONT."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """User and system time so far, children included."""
        times = [process.cpu_times() for process in self._members()]
        return sum(t.user + t.system for t in times)

    def settle(self, seconds: float) -> None:
        """Returns when it has taken less than a tenth of a core for so long."""
        since, before = time.monotonic(), self.cpu_seconds()
        while time.monotonic() - since < seconds:
            time.sleep(LOOK)
            if (now := self.cpu_seconds()) - before > seconds / 10:
                since, before = time.monotonic(), now

    def peak_bytes(self) -> int:
        """Sum of the largest resident sizes each process ever had; memory they share counts for each."""
        return sum(_high_water(process.pid) for process in self._members())

    def _members(self) -> list[psutil.Process]:
        try:
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _signal(self, number: int) -> None:
        for process in self._members():
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)


def _high_water(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def free_port() -> int:
    """A loopback port on which nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(command: Sequence[str], environment: Mapping[str, str], health: str, log: Path | None = None) -> Iterator[subprocess.Popen]:
    """A process that answers 200 at `health` when it is ready; ended afterwards, also while it is paused. `log` is where it writes on.

    Raises ChatError with the end of its log when it ends before.
    """
    with log.open("a+b") if log else tempfile.TemporaryFile("w+b") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            _wait(process, health, log)
            yield process
        finally:
            Tree(process.pid).resume()
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen, health: str, log) -> None:
    deadline = time.monotonic() + START_SECONDS
    client = httpx2.Client(trust_env=False)  # putting one together takes 25 ms
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            words = log.read().decode(errors="replace").strip()[-800:]
            raise ChatError(f"{process.args[0]} ended with exit code {process.returncode} before it was ready: {words}")
        with suppress(httpx2.TransportError):
            if client.get(health).status_code == 200:
                return
        time.sleep(LOOK)
    raise ChatError(f"{process.args[0]} was not ready after {START_SECONDS} s.")
