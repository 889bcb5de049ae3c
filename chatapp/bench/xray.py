"""What X-ray costs: seconds until a turn's prompt and probabilities are shown, and the chat's speed with X-ray running beside it."""

import asyncio
import json
import time
from dataclasses import dataclass

from chatapp.bench.measure import QUESTIONS, Run, median, reply
from chatapp.engines import open_engine
from chatapp.engines.base import Engine
from chatapp.engines.cores import usable_cores
from chatapp.models.sources import resolve
from chatapp.prompt.template import render
from chatapp.resident.manager import ModelManager
from chatapp.sampling import Sampling
from chatapp.settings import Settings
from chatapp.tasks import Step
from chatapp.turn import Message, Turn, new_id
from chatapp.xray.ahead import ahead
from chatapp.xray.inspector import Inspector
from chatapp.xray.views import probabilities as probabilities_view
from chatapp.xray.views import prompt as prompt_view

TOKENS = 500
"""Prompt and reply of the turn that is looked at."""


@dataclass(frozen=True)
class Seen:
    """Seconds until the prompt, until the reply's tokens are there to be painted, until all is known; and seconds of X-ray's core.

    On a busy machine the last one is what an idle machine would need.
    """

    prompt: float
    first_paint: float
    whole: float
    cpu: float


def main(settings: Settings, repeats: int, tokens: int) -> int:
    """`python -m chatapp.bench --xray`. The last line is JSON."""
    source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
    engine = open_engine(source, settings, lambda words, share: None)
    models = ModelManager.of(engine, settings)
    inspector = Inspector(models)
    with asyncio.Runner() as loop:
        result = loop.run(measured(engine, inspector, repeats, Sampling(max_tokens=tokens)))
    inspector.close()
    engine.close()
    for name, value in result.items():
        print(f"{name:<28}{value}")
    print(json.dumps({"engine": engine.info.engine, "model": engine.info.model, "threads": settings.threads or usable_cores(), **result}))
    return 0


async def measured(engine: Engine, inspector: Inspector, repeats: int, sampling: Sampling) -> dict[str, float]:
    """Medians of `repeats` looks, and of interleaved replies alone and beside a look that is begun again and again.

    The first look comes as in an app that had nothing to do for a while: after what it then does ahead.
    """
    started = time.perf_counter()
    await ahead(inspector.served, quiet=0.0)
    done_ahead = time.perf_counter() - started
    first = await look(inspector, a_turn(engine))
    looks = [await look(inspector, a_turn(engine)) for _ in range(repeats)]
    await reply(engine, [Message("user", "Hi")], Sampling(max_tokens=8))
    alone, beside = [], []
    for n in range(repeats):
        question = [Message("user", f"{QUESTIONS[n % len(QUESTIONS)]} ({n})")]
        alone.append(await reply(engine, question, sampling))
        beside.append(await reply_beside(engine, inspector, question, sampling))
    rates = [median(run.rate for run in runs) for runs in (alone, beside)]
    return {
        "turn_tokens": TOKENS,
        "ahead_s": round(done_ahead, 2),
        "first_look_s": round(first.whole, 2),
        "first_look_cpu_s": round(first.cpu, 2),
        "prompt_s": round(median(one.prompt for one in looks), 3),
        "first_paint_s": round(median(one.first_paint for one in looks), 3),
        "probabilities_s": round(median(one.whole for one in looks), 2),
        "probabilities_cpu_s": round(median(one.cpu for one in looks), 2),
        "chat_alone_tok_s": round(rates[0], 2),
        "chat_beside_tok_s": round(rates[1], 2),
        "first_look_vs_later": round(first.whole / median(one.whole for one in looks), 2),
        "chat_keeps": round(median(b.rate / a.rate for a, b in zip(alone, beside, strict=True)), 2),
    }


def a_turn(engine: Engine) -> Turn:
    """A turn of TOKENS tokens. Its words do not matter: the same passes are made for any."""
    prompt = render([Message("user", QUESTIONS[0])], engine.tokenizer, context=engine.capabilities.context, max_tokens=TOKENS)
    words = engine.tokenizer(" ".join(QUESTIONS * 10), add_special_tokens=False)["input_ids"]
    turn = Turn("bench", "bench", QUESTIONS[0], id=new_id(), prompt_text=prompt.text, prompt_ids=prompt.ids, spans=prompt.spans)
    turn.model, turn.revision, turn.reply_ids = engine.info.model, engine.info.revision, words[: TOKENS - len(prompt.ids)]
    return turn


async def look(inspector: Inspector, turn: Turn) -> Seen:
    """Open the prompt, then the probabilities, as the page does."""
    core = await inspector.run(time.thread_time)
    started = time.perf_counter()
    async for _ in prompt_view.prompt(inspector, turn):
        pass
    prompt, first = time.perf_counter() - started, 0.0
    async for item in probabilities_view.probabilities(inspector, turn):
        if not isinstance(item, Step):
            first = first or time.perf_counter() - started - prompt
    whole = time.perf_counter() - started
    return Seen(prompt, first, whole, await inspector.run(time.thread_time) - core)


async def reply_beside(engine: Engine, inspector: Inspector, question: list[Message], sampling: Sampling) -> Run:
    """A reply while somebody looks at one turn after the other."""

    async def looking() -> None:
        while True:
            await look(inspector, a_turn(engine))

    busy = asyncio.create_task(looking())
    try:
        return await reply(engine, question, sampling)
    finally:
        busy.cancel()
        await asyncio.gather(busy, return_exceptions=True)
