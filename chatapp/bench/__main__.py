"""`python -m chatapp.bench`: the running engine, its doors and the naive way, interleaved in one run. The last line is JSON."""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from chatapp.bench import doors, measure
from chatapp.bench.measure import Run, median
from chatapp.bench.naive import Naive
from chatapp.engines import open_engine
from chatapp.engines.base import Engine
from chatapp.engines.cores import usable_cores
from chatapp.errors import ChatError
from chatapp.models.sources import resolve
from chatapp.settings import Settings, add_flags, from_namespace
from chatapp.turn import Message, Sampling


@dataclass(frozen=True)
class Plan:
    """What one run measures: `repeats` interleaved replies of `tokens` tokens each, for each way."""

    settings: Settings
    repeats: int
    tokens: int
    people: int

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=0.7, top_k=50, top_p=0.95, max_tokens=self.tokens)


def main(argv: list[str] | None = None) -> int:
    parser = add_flags(argparse.ArgumentParser(prog="python -m chatapp.bench", description=__doc__))
    parser.add_argument("--repeats", type=int, default=5, help="Interleaved runs of each way; the table shows medians")
    parser.add_argument("--tokens", type=int, default=128, help="Tokens of each reply")
    parser.add_argument("--together", type=int, default=8, help="People in the many-at-once row")
    parser.add_argument("--store", action="store_true", help="Measure the store with 10 000 conversations instead")
    parser.add_argument("--xray", action="store_true", help="Measure what X-ray costs instead, and the chat's speed beside it")
    arguments = parser.parse_args(argv)
    try:
        settings = from_namespace(arguments)
        if arguments.store:
            from chatapp.bench import store

            return store.main(settings)
        if arguments.xray:
            from chatapp.bench import xray

            return xray.main(settings, arguments.repeats, arguments.tokens)
        return engines(Plan(settings, arguments.repeats, arguments.tokens, arguments.together))
    except ChatError as error:
        print(error, file=sys.stderr)
        return 1


def engines(plan: Plan) -> int:
    source = resolve(plan.settings.model, revision=plan.settings.revision, data_dir=plan.settings.data_dir)
    engine = open_engine(source, plan.settings, lambda words, share: None)
    threads = plan.settings.threads or usable_cores()
    with asyncio.Runner() as loop:
        loop.run(measure.reply(engine, [Message("user", "Hi")], Sampling(max_tokens=8)))
        ways, ceiling = measure_ways(plan, engine, source, threads, loop)
        turns = loop.run(measure.conversation(engine, 10, Sampling(temperature=0, max_tokens=32)))
        together = loop.run(measure.together(engine, plan.people, plan.sampling))
        engine.close()
    report(plan, engine, ways, ceiling, turns, together, threads)
    return 0


def measure_ways(plan: Plan, engine: Engine, source, threads: int, loop: asyncio.Runner) -> tuple[dict[str, list[Run]], dict[str, float]]:
    """Engine, naive, /v1 and /chat in turn; and tokens/s that reading all weights once per token would allow, for engine and naive."""
    naive = Naive(naive_folder(plan.settings, source), threads)

    def bare(question: str) -> Run:
        return loop.run(measure.reply(engine, [Message("user", question)], plan.sampling))

    with doors.app("--model", plan.settings.model, "--engine", plan.settings.engine) as url:
        gradio = doors.GradioDoor(url, lambda text: len(engine.tokenizer(text, add_special_tokens=False)["input_ids"]))
        ways = measure.interleaved(
            {
                "engine": bare,
                "naive": lambda question: naive.reply(question, plan.sampling),
                "api": lambda question: doors.openai_reply(url, question, plan.sampling),
                "gradio_client": lambda question: gradio.reply(question, plan.sampling),
            },
            plan.repeats,
        )
    bandwidth = measure.read_bandwidth(threads)
    weights = os.path.getsize(source.gguf) if engine.card.engine == "llamacpp" else naive.weight_bytes
    return ways, {"engine": bandwidth / weights, "naive": bandwidth / naive.weight_bytes}


def naive_folder(settings: Settings, source) -> Path:
    """The folder transformers loads: a GGUF is converted once."""
    from chatapp.models.convert import convert_gguf

    return convert_gguf(source.gguf, settings.data_dir, lambda words, share: None) if source.gguf else source.folder


def report(plan: Plan, engine: Engine, ways, ceiling, turns, together, threads: int) -> None:
    card = engine.card
    print(f"{card.model} · {card.engine} · {card.device} · {card.dtype} · {threads} threads")
    print(f"{plan.tokens} tokens a reply · median of {plan.repeats} interleaved runs\n")
    print(f"{'way':<22}{'tok/s':>8}{'spread':>16}{'first token s':>16}{'% of ceiling':>14}")
    for name, runs in ways.items():
        rates = [run.rate for run in runs]
        share = f"{100 * median(rates) / ceiling[name]:.0f} %" if name in ceiling else ""
        first = median(run.first for run in runs)
        print(f"{name:<22}{median(rates):>8.1f}{f'{min(rates):.1f}-{max(rates):.1f}':>16}{first:>16.3f}{share:>14}")
    print(f"{f'engine, {plan.people} people':<22}{together:>8.1f}")
    print(f"\nconversation: first token {turns[0].first:.3f} s in turn 1, {turns[-1].first:.3f} s in turn {len(turns)}")
    print(json.dumps(summary(plan, card, ways, ceiling, turns, together, threads)))


def summary(plan: Plan, card, ways, ceiling, turns, together, threads: int) -> dict:
    rate = {name: median(run.rate for run in runs) for name, runs in ways.items()}
    return {
        "model": card.model,
        "engine": card.engine,
        "threads": threads,
        "tokens": plan.tokens,
        "repeats": plan.repeats,
        "tokens_per_second": {name: round(value, 2) for name, value in rate.items()},
        "first_token_seconds": {name: round(median(run.first for run in runs), 4) for name, runs in ways.items()},
        "together": {"people": plan.people, "tokens_per_second": round(together, 2)},
        "ceiling_share": {name: round(rate[name] / ceiling[name], 3) for name in ceiling},
        "ratios": {
            "single_vs_naive": round(rate["engine"] / rate["naive"], 3),
            "api_vs_engine": round(rate["api"] / rate["engine"], 3),
            "ui_vs_engine": round(rate["gradio_client"] / rate["engine"], 3),
            "turn10_ttft_vs_turn1": round(turns[-1].first / turns[0].first, 3),
        },
    }


if __name__ == "__main__":
    sys.exit(main())
