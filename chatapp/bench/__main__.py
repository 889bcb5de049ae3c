"""`python -m chatapp.bench`: the running engine, its doors, the naive way and with --peers other programs, interleaved in one run.

One of them is awake at a time. The last line is JSON.
"""

import argparse
import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from chatapp.bench import matrix, report
from chatapp.bench.matrix import Plan, Stage
from chatapp.bench.measure import Way
from chatapp.engines import improvement, open_engine
from chatapp.engines.base import Engine
from chatapp.engines.cores import usable_cores
from chatapp.errors import ChatError
from chatapp.models.convert import convert_gguf
from chatapp.models.sources import Source, resolve
from chatapp.sampling import Sampling
from chatapp.settings import Settings, add_flags, from_namespace

CONCURRENCY, CONTEXT = 8, 1024
"""Slots, and tokens in each, unless --concurrency and --context say otherwise: the same for the engine, the app and llama.cpp's server."""


QUESTION = 200
"""Tokens that the longest question and its template take, at most; that of the copyists is the longest."""


def main(argv: list[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what it started ends too, paused or not
    try:
        settings = from_namespace(arguments)
        if (status := instead(settings, arguments)) is not None:
            return status
        settings = shared_out(settings, arguments)
        refuse_tokens(arguments.tokens, settings.context)
        tokens = (arguments.tokens, min(arguments.tokens, arguments.crowd_tokens))
        if arguments.formats:
            from chatapp.bench import formats

            return formats.main(settings, arguments.repeats, *tokens)
        plan = Plan(settings, arguments.repeats, *tokens, tuple(arguments.crowds), arguments.peers)
        asyncio.run(engines(plan))
        return 0
    except ChatError as error:
        print(error, file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    made = add_flags(argparse.ArgumentParser(prog="python -m chatapp.bench", description=__doc__))
    made.add_argument("--repeats", type=at_least_1, default=5, help="Interleaved runs of each way; the table shows medians")
    made.add_argument("--tokens", type=at_least_1, default=Sampling().max_tokens, help="Tokens of a reply to one person")
    made.add_argument("--crowd-tokens", type=at_least_1, default=64, help="Tokens of a reply to one of many")
    made.add_argument("--crowds", type=at_least_1, nargs="+", default=[1, 4, 8, 16], help="How many people ask at the same moment")
    made.add_argument("--peers", action="store_true", help="Also llama.cpp's server and transformers serve (requirements-bench.txt)")
    made.add_argument("--store", action="store_true", help="Measure the store with 10 000 conversations instead")
    made.add_argument("--xray", action="store_true", help="Measure what X-ray costs instead, and the chat's speed beside it")
    made.add_argument("--formats", action="store_true", help="Compare number formats of a GGUF file instead: speed, size, fidelity")
    made.add_argument("--profile", action="store_true", help="Show the functions in which the engine's time goes instead, by Linux's perf")
    made.add_argument("--page", action="store_true", help="Measure from token to screen in Chromium instead")
    made.add_argument("--compare", action="store_true", help="Measure a comparison beside its bare engine instead, and shared prompts")
    made.add_argument("--start", action="store_true", help="Measure the first minute beside an empty gr.Blocks app instead")
    made.add_argument("--memory", action="store_true", help="Measure what models take, beside what was forecast, instead")
    made.add_argument("--classify", action="store_true", help="Measure the training of a classifier instead: minutes, and its accuracy")
    made.add_argument(
        "--train", action="store_true", help="Measure training instead: a step, what it leaves the chat, what is learned in 2 and 10 min"
    )
    made.add_argument("--bits", nargs=2, metavar=("MODEL", "FILE"), help="Measure how well a model predicts a text instead: bits per byte")
    return made


def instead(settings: Settings, arguments: argparse.Namespace) -> int | None:
    """What one of the flags asks for in place of the comparison of engines and doors; None for none."""
    if arguments.store:
        from chatapp.bench import store

        return store.main(settings)
    if arguments.xray:
        from chatapp.bench import xray

        return xray.main(settings, arguments.repeats, arguments.tokens)
    if arguments.page:
        from chatapp.bench import page

        return page.main(settings, arguments.repeats)
    if arguments.compare:
        from chatapp.bench import compare

        source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
        return compare.main(settings, improved(source, settings), arguments.repeats)
    if arguments.profile:
        from chatapp.bench import profile

        source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
        return profile.main(improved(source, shared_out(settings, arguments)))
    if arguments.memory:
        from chatapp.bench import memory

        return memory.main(settings)
    if arguments.classify:
        from chatapp.bench import classify

        return classify.main(settings)
    if arguments.start:
        from chatapp.bench import start

        return start.main(settings, arguments.repeats)
    return training(settings, arguments)


def training(settings: Settings, arguments: argparse.Namespace) -> int | None:
    """What is asked of models that are trained here; None for nothing."""
    if arguments.train:
        from chatapp.bench import train

        source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
        return train.main(improved(source, settings), arguments.repeats, arguments.tokens)
    if arguments.bits:
        from chatapp.bench import bits

        return bits.main(settings, *arguments.bits)
    return None


def shared_out(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """With the slots and the tokens in each that are compared, unless the flags say otherwise."""
    slots = settings.concurrency if hasattr(arguments, "concurrency") else CONCURRENCY
    return settings.model_copy(update={"concurrency": slots, "context": settings.context or CONTEXT})


def at_least_1(text: str) -> int:
    """For argparse, which says which flag it was."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def refuse_tokens(tokens: int, context: int) -> None:
    """Raises ChatError where the longest conversation, or a reply of that many tokens beside a question, does not fit."""
    if context < CONTEXT:
        raise ChatError(f"--context {context} is too little: the longest conversation measured takes up to {CONTEXT} tokens.")
    if tokens > context - QUESTION:
        raise ChatError(
            f"--tokens {tokens} and a question of up to {QUESTION} tokens do not fit into a context of {context}. "
            f"Take at most {context - QUESTION} tokens, or --context {tokens + QUESTION}."
        )


async def engines(plan: Plan) -> None:
    settings, threads = plan.settings, plan.settings.threads or usable_cores()
    source = resolve(settings.model, revision=settings.revision, data_dir=settings.data_dir)
    folder = folder_of(source, settings)
    engine = improved(source, settings)
    async with AsyncExitStack() as stack:
        stack.callback(engine.close)
        ways = await matrix.open_ways(plan, engine, source, folder, threads, stack)
        stage = Stage(ways)
        stack.callback(stage.close)
        results = await matrix.measure(plan, stage)
    found = report.ratios(plan, results)
    print(report.table(plan, engine.info, results, ceilings(engine, stage.ways), threads))
    print("\nRatios, each the median of the runs (lowest-highest)\n" + report.ratio_lines(found))
    print(json.dumps(report.summary(plan, engine.info, results, found)))


def improved(source: Source, settings: Settings) -> Engine:
    """The engine as it is from a second start on."""
    engine = open_engine(source, settings, lambda words, share: None)
    if (steps := improvement(engine)) is None:
        return engine
    for _ in steps:
        pass
    engine.close()
    return open_engine(source, settings, lambda words, share: None)


def ceilings(engine: Engine, ways: dict[str, Way]) -> dict[str, float]:
    """Tokens per second that reading all weights once for each token would allow."""
    naive = ways["naive"]
    quantized = engine.info.engine == "llamacpp"
    ours = naive.bandwidth / (Path(engine.server.options["model"]).stat().st_size if quantized else naive.weight_bytes)
    return {"engine": ours, "naive": naive.bandwidth / naive.weight_bytes} | ({"llamacpp": ours} if quantized else {})


def folder_of(source: Source, settings: Settings) -> Path:
    """What transformers loads: a GGUF is converted once."""
    return convert_gguf(source.gguf, settings.data_dir, lambda words, share: None) if source.gguf else source.folder


if __name__ == "__main__":
    sys.exit(main())
