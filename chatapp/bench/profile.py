"""`--profile`: in which functions of the native code a new prompt is read, and eight people are answered, by Linux's perf.

Shares of the processor time of the process that computes: llama.cpp's child, or this one.
"""

import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path

from chatapp.bench.doors import EngineWay
from chatapp.bench.measure import crowd, rules
from chatapp.engines.base import Engine
from chatapp.engines.llamacpp.native import native_version
from chatapp.errors import ChatError
from chatapp.models.cpu import cpu_name
from chatapp.sampling import Sampling
from chatapp.turn import Message

SECONDS = 10.0
"""Of each phase."""

LEAST = 1.0
"""Percent: smaller shares are left out."""

PEOPLE, TOKENS = 8, 64
HERTZ = 499
ROW = re.compile(r"^\s*(\d+\.\d+)%\s+(\S+)\s+\[[.k]\] (.+?)\s*$", re.M)
Phase = Callable[[EngineWay, int], Awaitable[object]]


async def new_prompt(way: EngineWay, number: int) -> None:
    """560 tokens that no cache has seen, and one token of a reply."""
    await way.reply([rules(number), Message("user", "Why?")], Sampling(temperature=0.0, max_tokens=1))


async def eight(way: EngineWay, number: int) -> None:
    await crowd(way, PEOPLE, Sampling(temperature=0.7, top_k=50, top_p=0.95, max_tokens=TOKENS), number)


PHASES: dict[str, Phase] = {"a new prompt of 560 tokens": new_prompt, f"{PEOPLE} replies of {TOKENS} tokens at once": eight}


def main(engine: Engine) -> int:
    """Raises ChatError where there is no perf, or it may not look."""
    if not shutil.which("perf"):
        raise ChatError("--profile needs Linux's perf, of the package linux-perf or linux-tools.")
    try:
        found = asyncio.run(phases(EngineWay(engine)))
    finally:
        engine.close()
    print(f"{engine.info.model} in {engine.info.dtype} · {engine.info.engine} ({native_version()['xllamacpp']}) on {cpu_name()}")
    for name, rows in found.items():
        print(f"\n{name}\n" + "\n".join(f"{share:5.1f} %  {where}" for where, share in rows.items()))
    print(json.dumps(found))
    return 0


async def phases(way: EngineWay) -> dict[str, dict[str, float]]:
    """Phase → function → percent."""
    return {name: await shares(way, phase) for name, phase in PHASES.items()}


async def shares(way: EngineWay, phase: Phase) -> dict[str, float]:
    """Function → percent, over SECONDS of the phase again and again."""
    numbers = count(1)
    await phase(way, next(numbers))
    pid = way.trees[0].pid if way.trees else os.getpid()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "perf.data")
        perf = await asyncio.create_subprocess_exec(*recording(pid, file), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        told = asyncio.ensure_future(perf.communicate())
        while not told.done():
            await phase(way, next(numbers))
        _, words = await told
        return await asyncio.to_thread(reported, file, words.decode())


def reported(file: Path, words: str) -> dict[str, float]:
    """Raises ChatError with perf's own `words` where it recorded nothing."""
    if not file.is_file():
        raise ChatError(f"perf recorded nothing: {words.strip()[-300:]}")
    report = ["perf", "report", "-i", str(file), "--no-children", "--stdio", "-F", "overhead,dso,symbol"]
    return table(subprocess.run(report, capture_output=True, text=True, check=True).stdout)


def recording(pid: int, file: Path) -> list[str]:
    """By the clock of the processor: virtual machines have no counters."""
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", str(HERTZ), "-p", str(pid), "-o", str(file)]
    return [*record, "--", "sleep", str(SECONDS)]


def table(report: str) -> dict[str, float]:
    """perf's report as function → percent, the largest first; what has no name stands together, as its library."""
    found: dict[str, float] = {}
    for share, library, symbol in ROW.findall(report):
        name = library if symbol.startswith("0x") else short(symbol)
        found[name] = found.get(name, 0.0) + float(share)
    rows = sorted(found.items(), key=lambda row: -row[1])
    return {name: round(share, 1) for name, share in rows if share >= LEAST}


def short(symbol: str) -> str:
    """A C++ function without the arguments that it takes."""
    return re.sub(r"\(anonymous namespace\)::", "", symbol).partition("(")[0]
