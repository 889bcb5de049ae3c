"""Chat templates are rendered in a child process: they come with a model, so one may loop for ever, fill the memory or fail in any way.

The child does what transformers does, in its sandbox, without our environment and its secrets. It is kept, and replaced when a template
took it down. Through it a short chat takes 0.09 ms, and 0.03 ms without; 100 messages take 0.7 and 0.5 ms; it holds 60 MB.
"""

import atexit
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from chatapp.errors import ChatError

CHILD = Path(__file__).with_name("sandbox_child.py")

SECONDS, MESSAGES_PER_SECOND = 2.0, 5000
"""What a template may take: harmless ones need microseconds for a message."""

MEMORY = 2**30
"""Bytes it may take."""

LONGEST, TIMES = 1_000_000, 10
"""Characters that a rendered chat may have: so many, and so many times those of what went in."""

SMALL = 100_000
"""Bytes of a request for which no harmless template reaches a limit: one that does is not tried again for REST seconds."""

REST = 30.0

KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What the child gets of our environment. Keys and passwords are not among it."""

OWN = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
CURE = "Choose another model, or ask its authors to mend the template."


ASKS_TIME = re.compile(r"""strftime_now\(\s*(?P<quote>['"])(?P<format>.{0,100}?)(?P=quote)\s*\)""")

HARMLESS = {"872be49dbb638044ad01b60388f48d469ff2980e5f0dccdc22ec907db54d0788"}
"""SHA-256 of templates that were read by us and cannot run long: the embedded model's, which so needs no second process."""


def harmless(template: str) -> bool:
    return hashlib.sha256(template.encode()).hexdigest() in HARMLESS


def asks_time(template: str) -> bool:
    return bool(ASKS_TIME.search(template))


def with_clock(template: str, date: str) -> str:
    """The template with its questions for the time answered: transformers 5.23 hands no functions to a template, only plain data."""
    return ASKS_TIME.sub(lambda asked: json.dumps(datetime.fromisoformat(date).strftime(asked["format"])), template)


class TemplateRefusal(ChatError):
    """The template raised: it takes no such chat. Another arrangement of the messages may do."""


@dataclass(frozen=True)
class Traced:
    """A rendered chat. `parts`: (line of `source`, what it wrote), in order; none where the lines cannot be told apart.

    `source` is the template, with more line ends where it was written on one long line.
    """

    text: str
    source: str
    parts: list[tuple[int, str]]


class TemplateProcess:
    """The child process. One template at a time: rendering takes less than a millisecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen | None = None
        self._closed = False
        self._new = False  # it has not said yet that it takes requests
        self._owner = 0  # a fork has the pipes of its parent, and must not talk into them
        self._resting: dict[str, tuple[float, str]] = {}
        atexit.register(self.close)

    def render(self, template: str, chat: list[dict[str, str]], variables: dict[str, Any]) -> str:
        """The chat as text, as `apply_chat_template` has it. Raises TemplateRefusal, or ChatError 422 when it takes too much."""
        return self._answer(template, chat, variables)["text"]

    def trace(self, template: str, chat: list[dict[str, str]], variables: dict[str, Any]) -> Traced:
        """The chat as text, and which line of the template wrote what. Raises what `render` raises."""
        found = self._answer(template, chat, variables, trace=True)
        return Traced(found["text"], found.get("source", template), [(line, part) for line, part in found.get("parts", [])])

    def _answer(self, template: str, chat: list[dict[str, str]], variables: dict[str, Any], **more: bool) -> dict[str, Any]:
        told = json.dumps({"template": template, "chat": chat, "variables": variables, **more}, default=_placeholder)
        with self._lock:
            until, said = self._resting.get(template, (0.0, ""))
            if time.monotonic() < until:
                raise ChatError(said, status=422)
            answer = self._ask(told, SECONDS + len(chat) / MESSAGES_PER_SECOND, LONGEST + TIMES * len(told))
            if "taken" in answer and len(told) <= SMALL:
                self._resting = {template: (time.monotonic() + REST, answer["taken"])}
        return _refused(answer)

    def start(self) -> None:
        """Begin to start the process, which takes a second, so that the first template need not wait for it."""
        with self._lock:
            self._running()

    def close(self) -> None:
        """End the process for good; a template being rendered fails at once."""
        self._closed = True
        if (process := self._process) is not None and self._owner == os.getpid():
            process.kill()
            with self._lock:
                _end(process)

    def _ask(self, told: str, seconds: float, longest: int) -> dict[str, str]:
        process = self._ready()
        begun = time.monotonic()
        line = _exchanged(process, f'{told[:-1]}, "seconds": {seconds}, "longest": {longest}}}')
        if line:
            answer = json.loads(line)
            return {"taken": f"The chat template of this model {answer['beyond']}. {CURE}"} if "beyond" in answer else answer
        self._forget()
        if time.monotonic() - begun >= seconds:
            return {"taken": f"The chat template of this model did not finish within {seconds:.3g} s. {CURE}"}
        return {"taken": f"The chat template of this model ended the process that it ran in (code {process.returncode}). {CURE}"}

    def _ready(self) -> subprocess.Popen:
        """The process, when it takes requests."""
        process = self._running()
        if self._new and not process.stdout.readline():
            self._forget()
            raise ChatError(f"The process that renders chat templates did not start (code {process.returncode}).", status=503)
        self._new = False
        return process

    def _running(self) -> subprocess.Popen:
        if self._closed:
            raise ChatError("The app is closing. Send again when it is back.", status=503)
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._process, self._owner, self._new = _begun(), os.getpid(), True
        return self._process

    def _forget(self) -> None:
        _end(self._process)
        self._process = None


def bare_environment() -> dict[str, str]:
    """Of a child process that reads what nobody vouches for: none of our secrets, and no Hub."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | OWN


def _begun() -> subprocess.Popen:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen([sys.executable, "-I", str(CHILD)], env=bare_environment(), **pipes)
    except OSError as error:
        raise ChatError(f"The process that renders chat templates did not start: {error.strerror}.", status=503) from error
    _tell(process, json.dumps({"path": sys.path, "memory": MEMORY}))
    return process


def _exchanged(process: subprocess.Popen, told: str) -> bytes:
    """The answer to a line, or nothing when the process has ended."""
    _tell(process, told)
    return process.stdout.readline()


def _tell(process: subprocess.Popen, line: str) -> None:
    with suppress(OSError):  # the process has ended, which its silence says as well
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdout.close()
    with suppress(OSError):  # what was not yet written has nowhere to go
        process.stdin.close()


def _refused(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, where it holds a text. Raises ChatError otherwise."""
    if "taken" in answer:
        raise ChatError(answer["taken"], status=422)
    if "refusal" in answer:
        raise TemplateRefusal(f"This model's chat template refuses these messages: {answer['refusal']}")
    if "failure" in answer:
        raise TemplateRefusal(f"The chat template of this model fails on these messages ({answer['failure']}). {CURE}", status=422)
    if not answer["text"]:
        raise TemplateRefusal(f"The chat template of this model makes no text of these messages. {CURE}", status=422)
    return answer


def _placeholder(value: object) -> str:
    """What transformers puts for a variable that is no plain data."""
    return f"<{type(value).__name__}>"
