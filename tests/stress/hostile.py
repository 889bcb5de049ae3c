"""Forged model files: each ends in one sentence that names the file, or in a reply; none runs code, none hangs."""

import asyncio
import multiprocessing
import shutil
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import CHATML
from tests.stress import forged_folders, forged_gguf
from tests.stress.hostile_child import meet
from tests.stress.part import Plan
from tests.stress.report import Row
from tests.tiny import make_tiny

AT_ONCE = 3
LONGEST = 25.0
"""Seconds that a child may take: a few to load, and what a limit inside the app adds."""
PRELOADED = ["chatapp.engines.direct.engine", "chatapp.engines.llamacpp.engine", "chatapp.models.loading", "chatapp.chat.service"]
PRELOADED += [
    "chatapp.resident.slot",
    "torch",
    "transformers",
    "transformers.models.llama.modeling_llama",
    "tokenizers",
    "gguf",
    "sqlalchemy",
    "chatapp.store",
]
UNFORESEEN = ("unexpected", "Something broke")


@dataclass(frozen=True)
class Ending:
    """How a child ended; `kind` is answered, refused, died or hung."""

    name: str
    kind: str
    words: str
    seconds: float
    code_ran: bool = False

    @property
    def held(self) -> bool:
        named = any(part in self.words for part in names(self.name))
        foreseen = not any(word in self.words for word in UNFORESEEN)
        return not self.code_ran and (self.kind == "answered" or (self.kind == "refused" and named and foreseen))


def names(case: str) -> tuple[str, ...]:
    """What a sentence may call the file: its own name, its folder's, or the part of the model that it is."""
    folder = case.replace(" ", "-").lower()
    return folder, case.removeprefix("gguf ").replace(" ", "-"), ".json", ".safetensors", "tokenizer", "template"


async def run(plan: Plan) -> AsyncIterator[Row]:
    real = make_tiny("llama", plan.folder / "real", chat_template=CHATML)
    cases = {"real": lambda folder: Path(shutil.copytree(real, folder / "real"))}
    cases |= forged_gguf.cases(plan.seed) | forged_folders.cases(real)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, write: Callable[[Path], Path]) -> Ending:
        async with gate:
            return await asyncio.to_thread(met, context, plan.folder / "places" / name.replace(" ", "-"), name, write)

    endings = await asyncio.gather(*(one(name, write) for name, write in cases.items()))
    for kind in ("gguf", "weights", "index", "pickle", "config", "generation", "tokenizer", "template", "real"):
        yield summed(kind, [ending for ending in endings if ending.name.startswith(kind)])


def met(context: multiprocessing.context.ForkServerContext, place: Path, name: str, write: Callable[[Path], Path]) -> Ending:
    """One child, to its end or to the end of its time."""
    place.mkdir(parents=True)
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=meet, args=(write(place), place, theirs))
    started = time.monotonic()
    child.start()
    theirs.close()
    try:
        kind, words = ours.recv() if ours.poll(LONGEST) else ("hung", f"no answer after {LONGEST:.0f} s")
    except EOFError:
        kind, words = "died", (place / "log").read_text(errors="replace")[-300:]
    child.kill()
    child.join()
    ran = (place / forged_folders.CANARY).exists()
    shutil.rmtree(place)
    return Ending(name, kind, words, time.monotonic() - started, ran)


def summed(kind: str, endings: list[Ending]) -> Row:
    """The row of one kind of file."""
    row = Row(f"hostile, {kind}")
    for ending in endings:
        code = "RAN CODE, " if ending.code_ran else ""
        row.check(ending.held and (kind != "real" or ending.kind == "answered"), f"{ending.name}: {code}{ending.kind}: {ending.words}")
    slowest = max(endings, key=lambda ending: ending.seconds)
    row.worst = f"{sum(e.kind == 'answered' for e in endings)} answered; the slowest, {slowest.name}, took {slowest.seconds:.1f} s"
    return row
